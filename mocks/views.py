"""Directions that a galaxy is seen from, and how much of it the image shows."""

import re
from math import isqrt

import numpy as np

from mocks.galaxy import Galaxy

__all__ = [
    "VIEWS", "field_of_view", "healpix_centre", "kind_of_view", "named_views", "random_view", "view_matrix",
]  # fmt: skip

VIEWS = ("x", "y", "z", "face-on", "edge-on")
"""Named views: along an axis of the box, along the angular momentum, or across it."""

MOST_VIEWS = 10_000  # of one galaxy

SPIN_RADIUS = (
    2  # half-mass radii within which the angular momentum is taken; our choice, the disc and no halo
)
# The line of sight becomes the third coordinate; the other two keep a right-handed order.
_AXES = {
    "x": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "y": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "z": np.eye(3),
}


def field_of_view(text: str) -> tuple[float, str]:
    """Read the side of an image.

    Parameters
    ----------
    text : str
        ``"25 arcsec"``, ``"50 kpc"`` or ``"8 rhalf"`` (half-mass radii).

    Returns
    -------
    float, str
        Number and unit.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(arcsec|kpc|rhalf)\s*", text)
    if match is None or not 0 < float(match[1]) < np.inf:
        raise ValueError(
            f"field of view {text!r} is not understood; write '25 arcsec', '50 kpc' or '8 rhalf' (half-mass "
            "radii)."
        )
    return float(match[1]), match[2]


def random_view(rng: np.random.Generator) -> np.ndarray:
    """Rotation drawn uniformly: any direction on the sphere, any angle about it.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (3, 3)
        Rows are the observer's axes: right, up, towards the observer.
    """
    w, x, y, z = (quaternion := rng.normal(size=4)) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def healpix_centre(number: int, n_pixels: int) -> np.ndarray:
    """Direction of the centre of a HEALPix pixel, in the ring order.

    Parameters
    ----------
    number : int
        Of the pixel, 0 to ``n_pixels - 1``.
    n_pixels : int
        Pixels on the sphere, 12, 48, 192, ...: 12 times the square of a power of two.

    Returns
    -------
    ndarray, shape (3,)
        Unit vector.

    Raises
    ------
    ValueError
        When there is no such pixel.

    References
    ----------
    Gorski et al. 2005, ApJ 622, 759, equations 2 to 9.
    """
    side = round((n_pixels / 12) ** 0.5)
    if side < 1 or side & (side - 1) or 12 * side**2 != n_pixels or not 0 <= number < n_pixels:
        raise ValueError(
            f"healpix pixel {number} of {n_pixels}: a sphere has 12, 48, 192, 768, ... pixels, from 0 on."
        )
    cap, south = 2 * side * (side - 1), n_pixels - number
    if number < cap:  # rings of 4, 8, ... pixels about the pole
        ring = (1 + isqrt(1 + 2 * number)) // 2
        z, step, per_quarter = 1 - ring**2 / (3 * side**2), number + 1 - 2 * ring * (ring - 1) - 0.5, ring
    elif south > cap:  # rings of 4 sides
        row, column = divmod(number - cap, 4 * side)
        z, step, per_quarter = 2 * (side - row) / (3 * side), column + 0.5 * (1 - row % 2), side
    else:
        ring = (1 + isqrt(2 * south - 1)) // 2
        z, step, per_quarter = (
            ring**2 / (3 * side**2) - 1,
            4 * ring + 0.5 - south + 2 * ring * (ring - 1),
            ring,
        )
    longitude = step * np.pi / (2 * per_quarter)
    across = np.sqrt(1 - z * z)
    return np.array([across * np.cos(longitude), across * np.sin(longitude), z])


def _healpix_view(view: str) -> np.ndarray:
    """Rotation to a view named ``"healpix:number/n_pixels"``; the box's z axis is up."""
    number, _, n_pixels = view.removeprefix("healpix:").partition("/")
    if not (number.isdecimal() and n_pixels.isdecimal()):
        raise ValueError(f"view {view!r} is not understood; write healpix:3/12 for the fourth of 12 views.")
    towards = healpix_centre(int(number), int(n_pixels))
    right = np.cross(_AXES["z"][2], towards)  # no centre of a pixel is a pole
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards])


def view_matrix(view: str, galaxy: Galaxy | None = None) -> np.ndarray:
    """Rotation of a named view.

    Parameters
    ----------
    view : str
        One of ``VIEWS``, or ``"healpix:3/12"``, the fourth of 12 directions.
    galaxy : Galaxy, optional
        Needed, with stellar velocities, for ``"face-on"`` and ``"edge-on"``.

    Returns
    -------
    ndarray, shape (3, 3)
        Rows are the observer's axes: right, up, towards the observer. Edge-on has the angular momentum up.

    Raises
    ------
    ValueError
        For an unknown name, or a galaxy without velocities.
    """
    if view in _AXES:
        return _AXES[view].copy()
    if view.startswith("healpix:"):
        return _healpix_view(view)
    if view == "random":
        raise ValueError("view 'random' is for mock_galaxy; give random_view(rng), or one of VIEWS.")
    if view not in VIEWS:
        raise ValueError(f"view {view!r} is unknown; choose from {', '.join(VIEWS)}.")
    if galaxy is None or galaxy.stars.velocity is None:
        raise ValueError(f"view {view!r} needs stellar velocities; use x, y, z or a random view.")
    spin = _angular_momentum(galaxy)
    side = np.cross(spin, _AXES["z"][np.argmin(np.abs(spin))])
    side /= np.linalg.norm(side)
    if view == "face-on":
        return np.stack([side, np.cross(spin, side), spin])
    return np.stack([side, spin, np.cross(side, spin)])


def kind_of_view(name: str) -> str:
    """Kind of a view: its name, and of the parts of a sphere one kind for all.

    Parameters
    ----------
    name : str
        As `named_views` gives it.

    Returns
    -------
    str
        ``"healpix:12"`` for ``"healpix:3/12"``.
    """
    return f"healpix:{name.partition('/')[2]}" if name.startswith("healpix:") else name


def named_views(text: str) -> tuple[str, ...]:
    """Read a list of views.

    Parameters
    ----------
    text : str
        Number of random views, or names in ``VIEWS``, ``random:N`` and ``healpix:N`` (the centres of N equal
        pixels of a sphere about the box, N = 12, 48, 192, ...), separated by commas: ``"3"``,
        ``"face-on,edge-on"``, ``"z,random:2"``, ``"healpix:12"``.

    Returns
    -------
    tuple of str
        Names in ``VIEWS``, ``"random"`` or ``"healpix:3/12"``, one per view.

    Raises
    ------
    ValueError
        For an unknown name, a number below one, or a named view twice.
    """
    views = []
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        if name.isdecimal() and not number:
            name, number = "random", name
        if name == "random" and (number or "1").isdecimal() and 0 < int(number[:9] or 1) <= MOST_VIEWS:
            views += ["random"] * int(number or 1)
        elif (
            name == "healpix"
            and number.isdecimal()
            and int(number[:9]) <= MOST_VIEWS
            and f"healpix:0/{number}" not in views
        ):
            healpix_centre(0, int(number))
            views += [f"healpix:{i}/{number}" for i in range(int(number))]
        elif name in VIEWS and not number and name not in views:
            views.append(name)
        else:
            raise ValueError(
                f"views {text!r}: {part.strip()[:80]!r} is not a number of random views, random:N, healpix:N "
                f"(N up to {MOST_VIEWS}), or one of {', '.join(VIEWS)}, each once."
            )
    return tuple(views)


def _angular_momentum(galaxy: Galaxy) -> np.ndarray:
    """Direction of the angular momentum of stars within some half-mass radii."""
    stars = galaxy.stars
    distance = np.linalg.norm(stars.position, axis=1)
    order = np.argsort(distance)
    half = distance[order[np.searchsorted(np.cumsum(stars.mass[order]), stars.mass.sum() / 2)]]
    inner = stars.select(distance <= SPIN_RADIUS * half)
    momentum = inner.mass[:, None] * (inner.velocity - np.average(inner.velocity, axis=0, weights=inner.mass))
    spin = np.cross(inner.position, momentum).sum(axis=0)
    if not np.linalg.norm(spin) > 0:
        raise ValueError(f"{galaxy.galaxy_id} has no angular momentum; use x, y, z or a random view.")
    return spin / np.linalg.norm(spin)
