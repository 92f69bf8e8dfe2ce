"""The one preparation that real and mock images share: centre, cut, clean, dither, measure."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from math import ceil

import numpy as np

from mocks import stream
from mocks.observing.psf_images import check_psf
from simcompare.images.positions import place_problem
from simcompare.images.preparation.detection import (
    DETECTION_SNR,
    detection_snr,
    is_brighter_than_noise,
    is_sharper_than,
    is_trail,
    leaves_room,
    stands_out,
)
from simcompare.images.preparation.photometry import RESAMPLED_CORRELATION, Sky, combined_light, measure_cut
from simcompare.images.preparation.pictures import prepare_picture, resize_psf
from simcompare.images.preparation.rescale import bring_to_size, side_in_half_mass_radii, side_in_radii
from simcompare.images.preparation.segmentation import (
    Objects,
    fill_pixels,
    find_objects,
    locate_target,
    pixel_noise,
    sky_level,
    sky_statistics,
)
from simcompare.images.stamps import (
    FLAGS,
    MASK_BITS,
    RAW_MASK_BITS,
    PreparedStamp,
    RawStamp,
    RejectedStampError,
)
from simcompare.runs.documents import parse_json

__all__ = ["Preparation", "preparation_stream", "prepare_stamp"]

MOST_BAD = 0.3
MOST_FLUX = 1e12  # nanomaggies; a pixel of mag -7.5 is a number that means something else
# Times that a cut in radii may be larger than the image it is brought to.
_MOST_SHRINKING = 4
# Share of sky pixels below which their level is the galaxy's own halo, and below which their noise is too.
LEAST_SKY_FOR_LEVEL = 0.5
LEAST_SKY_FOR_NOISE = 0.05
_VERSION = {"linear": 1, "8-bit": 2}


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation; two sets may be compared only when these agree.

    Parameters
    ----------
    size : int
        Side of the prepared image [pixels].
    centring_radius : float
        The target's peak is sought within this distance of the given position [pixels]; the image is
        moved by whole pixels, so that no pixel value is interpolated.
    subtract_background : bool
        Take off the local background; it is measured either way.
    neighbours : str
        ``"fill"`` replaces other objects by noise like the sky's, correlated where the sky's is, and by the
        galaxy's far side; ``"keep"`` leaves them.
    detection_threshold : float
        Of objects, in units of the sky sigma of a smoothed image.
    detection_area : int
        Fewest connected pixels of an object.
    neighbour_peak : float
        Least height of a neighbour, in units of the sky sigma of a smoothed image.
    dither : bool
        Add noise uniform over one camera count, so that no image lies on a lattice.
    psf_size : int
        Side of the stored PSF, odd [pixels].
    domain : str
        ``"linear"`` for fluxes; ``"8-bit"`` for pictures, which are only cut and dithered.
    petrosian_radii : float
        Side of the cut in measured Petrosian radii of each galaxy, brought to ``size`` pixels by area; 0 cuts
        ``size`` pixels as they are, which alone leaves the noise as it is.
    half_mass_radii : float
        Side of the cut in half-mass radii of each simulated galaxy, brought to ``size`` pixels likewise.
    version : int, optional
        Of this code for the domain; raised whenever the pixels it makes would change. Default: today's.
    """

    size: int = 64
    centring_radius: float = 4.0
    subtract_background: bool = False
    neighbours: str = "fill"
    detection_threshold: float = 1.5
    detection_area: int = 8
    neighbour_peak: float = 4.5
    dither: bool = True
    psf_size: int = 31
    domain: str = "linear"
    petrosian_radii: float = 0.0
    half_mass_radii: float = 0.0
    version: int | None = None

    def __post_init__(self) -> None:
        if self.size < 8 or self.psf_size % 2 == 0:
            raise ValueError(
                f"size is {self.size} and psf_size {self.psf_size}; size >= 8, psf_size odd needed."
            )
        if self.neighbours not in ("fill", "keep"):
            raise ValueError(f"neighbours is {self.neighbours!r}; 'fill' and 'keep' are known.")
        if self.domain not in _VERSION:
            raise ValueError(f"domain is {self.domain!r}; 'linear' and '8-bit' are known.")
        if self.version is None:
            object.__setattr__(self, "version", _VERSION[self.domain])
        if self.petrosian_radii < 0 or (self.petrosian_radii and self.domain == "8-bit"):
            raise ValueError(
                f"petrosian_radii is {self.petrosian_radii} for {self.domain} pixels; give 0, or a positive "
                "number for linear ones."
            )
        alone = self.domain == "linear" and not self.petrosian_radii
        if self.half_mass_radii < 0 or (self.half_mass_radii and not alone):
            raise ValueError(
                f"half_mass_radii is {self.half_mass_radii} for {self.domain} pixels beside petrosian_radii "
                f"{self.petrosian_radii}; give 0, or a positive number alone for linear ones."
            )

    def to_json(self) -> str:
        """Canonical JSON of the settings: sorted keys, no blanks, no ``half_mass_radii`` of 0."""
        settings = asdict(self)
        if not self.half_mass_radii:
            del settings["half_mass_radii"]  # older sets are of the same preparation
        return json.dumps(settings, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Preparation":
        """Read settings from their JSON.

        Raises
        ------
        ValueError
            When it names a setting that this version does not have.
        """
        settings = parse_json(text, "preparation")
        unknown = sorted(set(settings) - {item.name for item in fields(cls)})
        if unknown:
            raise ValueError(
                f"preparation has unknown settings {unknown}, made by another version of simcompare."
            )
        return cls(**settings)

    @property
    def window(self) -> int:
        """Side of what is looked at, the cut and room to centre it [pixels]; mocks should be as large."""
        largest = _MOST_SHRINKING * self.size if self.is_resampled else self.size
        return largest + 2 * ceil(self.centring_radius)

    def pixel_scale_of(self, pixel_scale: float) -> float:
        """Pixel scale of the prepared images [arcsec]; 0 where it differs from galaxy to galaxy."""
        return 0.0 if self.is_resampled else pixel_scale

    @property
    def is_resampled(self) -> bool:
        """Whether cuts of unlike sides are brought to one number of pixels."""
        return bool(self.petrosian_radii or self.half_mass_radii)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def difference(self, other: "Preparation") -> dict[str, tuple]:
        """Name what two preparations do unlike, as setting -> (own, other's)."""
        mine, theirs = asdict(self), asdict(other)
        return {key: (mine[key], theirs[key]) for key in mine if mine[key] != theirs[key]}


def preparation_stream(seed: int, galaxy_id: str, view: int = 0) -> np.random.Generator:
    """Random stream of one image's preparation, the same alone and in a batch."""
    return stream(seed, galaxy_id, view, "preparation")


@dataclass(frozen=True, eq=False)
class _Work:
    """One image between the steps."""

    image: np.ndarray  # (band, y, x), dithered
    bad: np.ndarray  # (band, y, x)
    foreign: np.ndarray  # (y, x), neighbours as the survey's mask gives them
    saturated: bool
    quantum: np.ndarray  # (band,)

    @property
    def good(self) -> np.ndarray:
        """Pixels usable in every band."""
        return ~(self.bad.any(axis=0) | self.foreign)


def prepare_stamp(stamp: RawStamp, preparation: Preparation, rng: np.random.Generator) -> PreparedStamp:
    """Prepare one image, real or mock.

    In order: cut to the window about the target; dither over one camera count; find target and neighbours;
    put the galaxy's own far side, with fresh noise, in place of neighbours and bad pixels; move the target to
    the middle by whole pixels and cut; measure what is left.

    Parameters
    ----------
    stamp : RawStamp
        The image; it is not altered.
    preparation : Preparation
        The settings.
    rng : numpy.random.Generator
        The image's own stream, see `preparation_stream`.

    Raises
    ------
    RejectedStampError
        When the image is smaller than the cut, empty, mostly bad, or its centre is bad.
    ValueError
        When a picture stands among fluxes, or a flux among pictures.
    """
    if problem := stamp.problem or place_problem(stamp.ra, stamp.dec):
        raise RejectedStampError(problem)
    if stamp.domain != preparation.domain:
        raise ValueError(
            f"{stamp.galaxy_id}: {stamp.domain} pixels among {preparation.domain} ones; prepare them "
            f"separately, with Preparation(domain={stamp.domain!r})."
        )
    if stamp.domain == "8-bit":
        return prepare_picture(stamp, preparation, rng)
    _check_psfs(stamp)
    stamp = _crop(stamp, preparation.window)
    work = _load(stamp, preparation, rng)
    start = stamp.position or tuple((side - 1) / 2 for side in work.image.shape[:0:-1])
    noise = np.array([pixel_noise(band, work.good) for band in work.image])
    centre, objects = _find(work, noise, start, preparation)
    sky = _measure_sky(work, noise, objects)
    if preparation.neighbours == "fill":
        foreign = work.foreign | (objects.neighbours if objects else False)
    else:
        foreign = work.foreign
    clean = _fill(work, foreign, sky, centre, stamp.electrons, rng)
    snr, is_nothing = _detect(stamp, work, clean, sky, centre, objects)
    side = preparation.size
    if preparation.petrosian_radii:
        side = side_in_radii(combined_light(clean, sky), objects, centre, preparation.petrosian_radii)
    elif preparation.half_mass_radii:
        side = side_in_half_mass_radii(stamp, preparation.half_mass_radii, min(clean.shape[1:]))
    if preparation.subtract_background:
        clean = clean - sky.level[:, None, None]
    rows, columns, centre_in_cut = _cut(centre, clean.shape[1:], side)
    mask = MASK_BITS["neighbour"] * foreign | MASK_BITS["bad"] * work.bad
    image = clean[:, rows, columns].astype(np.float32)
    target = objects.target[rows, columns] if objects else None
    cut_mask = mask[:, rows, columns].astype(np.uint8)
    corner = (columns.start, rows.start)  # corner of the cut in the window
    row = measure_cut(stamp, preparation.subtract_background, image, target, centre_in_cut, corner, sky)
    row["flags"] |= _mask_flags(work, objects, cut_mask)
    row["flags"] |= FLAGS["undetected"] if is_nothing else 0
    row["detection_snr"] = snr
    row |= stamp.sky_frame.columns(corner) if stamp.sky_frame else {}
    prepared = PreparedStamp(
        image=image,
        variance=_variance(image, sky, stamp, np.s_[:, rows, columns], cut_mask),
        mask=cut_mask,
        psf=resize_psf(stamp.psf, preparation.psf_size),
        quantum=work.quantum.astype(np.float32),
        row=row,
    )
    return bring_to_size(prepared, stamp, preparation.size) if preparation.is_resampled else prepared


def _check_psfs(stamp: RawStamp) -> None:
    """Refuse an image whose PSF cannot be one."""
    for band, psf in zip(stamp.bands, stamp.psf, strict=True):
        try:
            check_psf(psf, f"PSF in {band}")
        except ValueError as error:
            raise RejectedStampError(str(error).rstrip(".")) from error


def _crop(stamp: RawStamp, side: int) -> RawStamp:
    """Stamp cut to a window about the target's expected place, so that real and mock images show the same."""
    n_y, n_x = stamp.image.shape[1:]
    x, y = stamp.position or ((n_x - 1) / 2, (n_y - 1) / 2)
    if not (0 <= round(x) < n_x and 0 <= round(y) < n_y):
        raise RejectedStampError(f"the target is expected at x {x:.1f}, y {y:.1f}, outside the image")
    first_x, first_y = (
        int(np.clip(np.ceil(position - side / 2), 0, max(n - side, 0)))
        for position, n in ((x, n_x), (y, n_y))
    )
    window = (..., slice(first_y, first_y + side), slice(first_x, first_x + side))
    frame = stamp.sky_frame
    return replace(
        stamp,
        image=stamp.image[window],
        variance=None if stamp.variance is None else stamp.variance[window],
        mask=None if stamp.mask is None else stamp.mask[window],
        position=(x - first_x, y - first_y),
        sky_frame=frame and replace(frame, x=frame.x - first_x, y=frame.y - first_y),
    )


def _load(stamp: RawStamp, preparation: Preparation, rng: np.random.Generator) -> _Work:
    """Image with its masks, dithered; refuse what cannot be used."""
    image = np.array(stamp.image, dtype=float)
    n_y, n_x = image.shape[1:]
    if min(n_y, n_x) < preparation.size:
        raise RejectedStampError(
            f"image of {n_x} x {n_y} pixels is smaller than the cut of {preparation.size}"
        )
    bits = np.zeros(image.shape, dtype=np.uint8)
    if stamp.mask is not None:
        bits |= np.asarray(stamp.mask, dtype=np.uint8)
    bad = ~(np.abs(image) < MOST_FLUX) | (bits & RAW_MASK_BITS["bad"] > 0)
    image[bad] = 0.0
    foreign = (bits & RAW_MASK_BITS["neighbour"] > 0).any(axis=0)
    unusable = bad.any(axis=0) | foreign
    if unusable.mean() > MOST_BAD:
        raise RejectedStampError(f"{unusable.mean():.0%} of the pixels are bad or masked")
    for band, missing in zip(image, bad | foreign, strict=True):
        if missing.all() or np.ptp(band[~missing]) == 0:
            raise RejectedStampError("image is missing or constant in at least one band")
        if pixel_noise(band, ~missing) == 0:
            raise RejectedStampError("most adjacent pixels are equal in at least one band: no noise")
    x, y = stamp.position or ((n_x - 1) / 2, (n_y - 1) / 2)
    row, column = round(y), round(x)
    if unusable[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].mean() > 0.5:
        raise RejectedStampError("the centre is bad or masked")
    quantum = np.zeros(len(image)) if stamp.quantum is None else np.asarray(stamp.quantum, dtype=float)
    if preparation.dither:
        image += quantum[:, None, None] * rng.uniform(-0.5, 0.5, image.shape)
    saturated = bool((bits & RAW_MASK_BITS["saturated"]).any())
    return _Work(image=image, bad=bad, foreign=foreign, saturated=saturated, quantum=quantum)


def _find(work, noise, start, preparation) -> tuple[tuple[float, float], Objects | None]:
    """Centre of the target, and the objects of the image."""
    level = np.array(
        [sky_level(band, work.good, sigma) for band, sigma in zip(work.image, noise, strict=True)]
    )
    # One image to look for objects in: all bands, with the weights that suit a flat spectrum best.
    weights = noise**-2 / np.sum(noise**-2)
    light = np.tensordot(weights, work.image - level[:, None, None], axes=1)
    centre = locate_target(np.where(work.good, light, 0), start, preparation.centring_radius)
    objects = find_objects(
        light,
        work.good,
        float(np.sqrt(np.sum((weights * noise) ** 2))),
        centre,
        preparation.detection_threshold,
        preparation.detection_area,
        preparation.neighbour_peak,
    )
    return centre, objects


def _measure_sky(work: _Work, noise: np.ndarray, objects: Objects | None) -> Sky:
    """Measure the sky away from objects, as far as the galaxy leaves any."""
    sky = work.good & objects.sky if objects else work.good
    if sky.mean() < LEAST_SKY_FOR_NOISE:
        values = np.array([(0.0, sigma, np.nan) for sigma in noise])
    else:
        values = np.array([sky_statistics(band, sky) for band in work.image])
        if sky.mean() < LEAST_SKY_FOR_LEVEL:
            # The survey's own zero level is the better guess.
            values[:, 0] = 0.0
    if not (values[:, 1] > 0).all():
        raise RejectedStampError("sky without noise in at least one band")
    return Sky(*values.T)


def _fill(work, foreign, sky, centre, electrons, rng) -> np.ndarray:
    """Image with neighbours and bad pixels replaced."""
    electrons = [None] * len(work.image) if electrons is None else electrons
    correlation = np.zeros(len(work.image))
    if sky.mean_correlation > RESAMPLED_CORRELATION:
        correlation = np.nan_to_num(sky.correlation)
    bands = []
    for image, bad, level, sigma, per_flux, rho in zip(
        work.image, work.bad, sky.level, sky.sigma, electrons, correlation, strict=True
    ):
        filled = fill_pixels(image - level, bad | foreign, centre, sigma, per_flux, rng, rho)
        bands.append(level + filled)
    filled = np.array(bands)
    holes = work.bad | foreign
    return np.where(holes, filled, work.image)


def _detect(stamp, work, clean, sky, centre, objects) -> tuple[float, bool]:
    """Signal-to-noise of what lies at the centre, and whether it is no galaxy or star."""
    light, sigma = combined_light(clean, sky), sky.combined_sigma
    raw, elsewhere = combined_light(work.image, sky), work.good
    if objects:
        elsewhere = work.good & ~objects.target
        # Other objects must not count as noise, but what noise may be stays.
        raw = np.where(is_brighter_than_noise(raw, objects.neighbours, elsewhere), light, raw)
    snr = detection_snr(light, sigma, sky.mean_correlation, centre, elsewhere, raw)
    psf = np.tensordot(sky.sigma**-2 / np.sum(sky.sigma**-2), stamp.psf, axes=1)
    is_nothing = (
        snr < DETECTION_SNR
        or (objects is not None and objects.is_flank)
        or is_sharper_than(psf, light, sigma, centre)
        or is_trail(raw, centre)
        or not (leaves_room(elsewhere) or stands_out(light, centre))
    )
    return snr, is_nothing


def _cut(centre, shape, size) -> tuple[slice, slice, tuple[float, float]]:
    """Window of whole pixels that puts the centre on pixel ``size // 2``, or as near as the image allows."""
    windows, moved = [], []
    for position, side in zip(centre, shape[::-1], strict=True):
        first = int(np.clip(np.rint(position) - size // 2, 0, side - size))
        windows.append(slice(first, first + size))
        moved.append(position - first)
    return windows[1], windows[0], (moved[0], moved[1])


def _mask_flags(work: _Work, objects: Objects | None, mask: np.ndarray) -> int:
    """Raise the flags that follow from the masks."""
    truths = {
        "blend": objects is not None and objects.blended,
        "saturated": work.saturated,
        "neighbours_filled": bool((mask & MASK_BITS["neighbour"]).any()),
        "bad_pixels_filled": bool((mask & MASK_BITS["bad"]).any()),
    }
    return sum(FLAGS[name] for name, is_true in truths.items() if is_true)


def _variance(
    image: np.ndarray, sky: Sky, stamp: RawStamp, cut: tuple[slice, ...], mask: np.ndarray
) -> np.ndarray:
    """Variance as given, or else sky noise and the shot noise of the light above the sky [nanomaggies^2]."""
    variance = np.broadcast_to(sky.sigma[:, None, None] ** 2, image.shape).copy()
    if stamp.electrons is not None:
        light = np.clip(image - sky.level[:, None, None], 0, None)
        variance += light / np.asarray(stamp.electrons)[:, None, None]
    if stamp.variance is not None:
        variance = np.where(mask == 0, stamp.variance[cut], variance)
    return variance.astype(np.float32)
