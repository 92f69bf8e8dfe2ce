"""Records of single galaxies on their way into an image set: as given, and as prepared."""

from dataclasses import dataclass, field

import numpy as np

from mocks.observing.observe import MASK_BITS as MOCK_MASK_BITS

__all__ = [
    "FLAGS",
    "MASK_BITS",
    "RAW_MASK_BITS",
    "PreparedStamp",
    "RawStamp",
    "RejectedStampError",
    "SkyFrame",
    "unusable_stamp",
]

# Why a pixel of a prepared image is not the survey's own.
MASK_BITS = {"neighbour": 1, "bad": 2}

# Bits of the catalogue column ``flags``.
FLAGS = {
    "edge": 1,  # the galaxy's isophote reaches the edge of the image
    "blend": 2,  # a neighbour's light ran into the galaxy's
    "saturated": 4,
    "off_centre": 8,  # more than one pixel from the middle: the stamp had no room to move
    "neighbours_filled": 16,
    "bad_pixels_filled": 32,
    "small": 64,  # half-light radius below the PSF's FWHM
    "faint": 128,  # signal-to-noise below 10
    "background": 256,  # sky level more than half its noise away from zero
    "resampled": 512,  # noise of adjacent pixels correlated: not a camera's own pixels
    "undetected": 1024,  # no signal-to-noise of 7 at the centre, no light, or narrower than the PSF by far
    "truncated": 2048,  # the aperture of the flux does not fit into the image
}

# What a survey's own mask may say of a pixel.
RAW_MASK_BITS = {"neighbour": 1, "bad": 2, "saturated": 4}


@dataclass(frozen=True)
class SkyFrame:
    """How an image of square pixels lies on the sky.

    Parameters
    ----------
    x, y : float
        Pixel that shows the place (ra, dec) of the stamp.
    north_angle : float
        Direction of north, from +y towards -x [deg].
    parity : float
        -1 where east is to the left of north, as on the sky; 1 for a mirrored image.
    """

    x: float
    y: float
    north_angle: float
    parity: float

    @classmethod
    def of_matrix(cls, x: float, y: float, matrix: np.ndarray) -> "SkyFrame":
        """Frame by the offsets to the east and to the north (rows) of a pixel along x and y (columns)."""
        north = matrix[1] / np.hypot(*matrix[1])
        return cls(
            x, y, float(np.rad2deg(np.arctan2(-north[0], north[1]))), float(np.sign(np.linalg.det(matrix)))
        )

    @property
    def matrix(self) -> np.ndarray:
        """Offsets to the east and to the north (rows) of a pixel along x and y (columns) [pixels], (2, 2)."""
        sin, cos = np.sin(np.deg2rad(self.north_angle)), np.cos(np.deg2rad(self.north_angle))
        return np.array([[self.parity * cos, self.parity * sin], [-sin, cos]])

    def columns(self, corner: tuple[float, float]) -> dict[str, float]:
        """Columns of the catalogue for a cut whose first pixel is given."""
        return {
            "place_x": self.x - corner[0],
            "place_y": self.y - corner[1],
            "north_angle": self.north_angle,
            "sky_parity": self.parity,
        }


@dataclass(frozen=True, eq=False)
class RawStamp:
    """One galaxy as a survey or a mock gives it, before preparation.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        Flux [nanomaggies per pixel]; NaN where there is none.
    psf : ndarray, shape (band, k, k)
        Effective PSF on the image's pixels; k odd, sum 1.
    pixel_scale : float
        [arcsec].
    bands : tuple of str
        In the order of the band axis.
    galaxy_id : str
        The same for all images of one galaxy.
    mask : ndarray, shape (band, y, x) or (y, x), optional
        Bits of `RAW_MASK_BITS`.
    position : (float, float), optional
        Where the target is expected, x and y [pixels]; the middle of the image when not given.
    ra, dec : float
        ICRS [deg]; NaN where unknown.
    quantum : ndarray, shape (band,), optional
        Flux of one camera count [nanomaggies]; 0 or None for pixels that lie on no lattice.
    electrons : ndarray, shape (band,), optional
        Electrons per nanomaggy, for the galaxy's own shot noise.
    resampled : bool
        Whether the source is known to have interpolated the pixels.
    domain : str
        ``"linear"`` for fluxes, ``"8-bit"`` for pictures [counts from 0 to 255].
    problem : str
        What the reader found to prevent its use; it will be rejected with this reason.
    sky_frame : SkyFrame, optional
        How the image lies on the sky, where it is known.
    filters : tuple of str
        Names of the bands' filters as the file has them.
    metadata : dict
        Anything to keep in the catalogue: numbers and words.
    variance : ndarray, shape (band, y, x), optional
        Of sky and source together [nanomaggies^2 per pixel^2]; default: that of the measured sky, and of
        `electrons`.
    half_mass_radius : float
        Of a simulated galaxy [pixels]; NaN where unknown.
    """

    image: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    bands: tuple[str, ...]
    galaxy_id: str
    mask: np.ndarray | None = None
    position: tuple[float, float] | None = None
    ra: float = np.nan
    dec: float = np.nan
    quantum: np.ndarray | None = None
    electrons: np.ndarray | None = None
    resampled: bool = False
    domain: str = "linear"
    problem: str = ""
    sky_frame: SkyFrame | None = None
    filters: tuple[str, ...] = ()
    metadata: dict = field(default_factory=dict)
    variance: np.ndarray | None = None
    half_mass_radius: float = np.nan

    @classmethod
    def from_cutout(cls, cutout, galaxy_id: str, metadata: dict | None = None) -> "RawStamp":
        """Stamp of a mock image, a `mocks.Cutout`, to be prepared as a real one is."""
        conditions = cutout.conditions
        return cls(
            image=cutout.image,
            psf=cutout.psf,
            pixel_scale=cutout.pixel_scale,
            bands=tuple(cutout.bands),
            galaxy_id=galaxy_id,
            mask=_raw_mask(cutout.mask),
            quantum=conditions.nanomaggies_per_count,
            electrons=conditions.electrons_per_nanomaggy,
            metadata=dict(metadata or {}),
        )


def unusable_stamp(bands: tuple[str, ...], galaxy_id: str, problem: str, source: str, index: str) -> RawStamp:
    """Stand-in for an image that a reader found but cannot give, with the reason."""
    return RawStamp(
        image=np.zeros((len(bands), 1, 1)), psf=np.ones((len(bands), 1, 1)),
        pixel_scale=0.0, bands=tuple(bands), galaxy_id=galaxy_id,
        problem=" ".join(problem.split()).rstrip("."), metadata={"source": source, "source_index": index},
    )  # fmt: skip


def _raw_mask(mask: np.ndarray) -> np.ndarray:
    """Translate the mask of a mock into `RAW_MASK_BITS`."""
    translation = {"no data": "bad", "saturated": "saturated", "other object": "neighbour"}
    raw = np.zeros(mask.shape, dtype=np.uint8)
    for theirs, ours in translation.items():
        raw |= np.where(mask & MOCK_MASK_BITS[theirs], RAW_MASK_BITS[ours], 0).astype(np.uint8)
    return raw


@dataclass(frozen=True, eq=False)
class PreparedStamp:
    """One galaxy ready for an image set; arrays as in `Stack`, without its first axis.

    Parameters
    ----------
    image, variance, mask : ndarray, shape (band, y, x)
        Flux, variance, and bits of `MASK_BITS`.
    psf : ndarray, shape (band, k, k)
        Effective PSF.
    quantum : ndarray, shape (band,)
        Width of the dither [nanomaggies].
    row : dict
        Of the catalogue: names, coordinates, flags, measurements, metadata.
    """

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    quantum: np.ndarray
    row: dict


class RejectedStampError(ValueError):
    """An image that cannot be prepared; its text is the reason."""
