"""Galaxies newly found in whole SDSS frames, cut out with their own point-spread function and noise."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.ndimage import gaussian_filter, maximum_filter, shift

from mocks.survey_files import sdss_camera as sdss
from mocks.survey_files.sdss_frames import FRAME_NAME, Frame, frame_siblings, open_frame
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.images.positions import separation
from simcompare.images.preparation.segmentation import DETECTION_SIGMA, pixel_noise
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp, SkyFrame
from simcompare.observed.fits_files.headers import place_and_matrix
from simcompare.observed.names import coordinate_name
from simcompare.observed.rows import each_row

__all__ = ["Candidates", "empirical_psf", "find_candidates", "psfield_of", "read_sdss_frame"]

log = logging.getLogger(__name__)

FAINTEST = 20.5  # AB mag in the band of detection
LEAST_PEAK = 6.0  # signal-to-noise in the smoothed image
LEAST_EXTENT = 0.12  # mag beyond the stars' aperture difference
STAMP_SIDE = 161
PSF_SIDE = 31
FULL_WELL = 60_000.0  # counts; the converter ends at 65 535
_SMALL, _LARGE = 2.0, 5.0  # aperture radii [pixels]
_BRIGHT_STAR, _STAR_REACH = 60.0, 60  # nanomaggies in one pixel; pixels its halo and spikes reach
_KNOT_REACH = 20  # pixels
_FRAME_REACH = 1.0  # generous distance from centre to corner of a frame [deg]
_BRIGHTEST_GALAXY = 15.0  # nanomaggies in one pixel, 17.5 mag per square arcsec


@dataclass(frozen=True, eq=False)
class Candidates:
    """Objects of one frame, brightest pixel first found, each an array of shape (n,).

    Parameters
    ----------
    x, y : ndarray of int
        Peak [pixels].
    flux : ndarray
        Within 5 pixels [nanomaggies].
    extent : ndarray
        Magnitude between apertures of 2 and 5 pixels, less that of the frame's stars; 0 for a star.
    extent_error : ndarray
        Its standard deviation by sky noise.
    peak : ndarray
        Of its brightest pixel [nanomaggies].
    isolated : ndarray of bool
        No other object within 15 pixels.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    extent: np.ndarray
    extent_error: np.ndarray
    peak: np.ndarray
    isolated: np.ndarray

    @property
    def is_star(self) -> np.ndarray:
        """Bright enough and as concentrated as the frame's point sources."""
        return (np.abs(self.extent) < 0.04) & (self.flux > 20) & self.isolated

    @property
    def is_galaxy(self) -> np.ndarray:
        """Bright enough and extended beyond doubt."""
        bright = self.flux > 10 ** (0.4 * (22.5 - FAINTEST))
        return bright & (self.extent > np.maximum(LEAST_EXTENT, 4 * self.extent_error)) & ~self.is_saturated

    @property
    def is_saturated(self) -> np.ndarray:
        """Star whose core the pipeline has patched: it looks extended, but is too bright for a galaxy."""
        return (self.peak > _BRIGHTEST_GALAXY) & (self.extent > LEAST_EXTENT)


def find_candidates(image: np.ndarray) -> Candidates:
    """Peaks of a frame with their aperture fluxes.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Sky-subtracted flux [nanomaggies per pixel].

    Raises
    ------
    ValueError
        When the frame has too few point sources to tell galaxies from.
    """
    noise = pixel_noise(image, np.isfinite(image))
    smooth = gaussian_filter(image, DETECTION_SIGMA)
    least = LEAST_PEAK * noise / (2 * np.sqrt(np.pi) * DETECTION_SIGMA)
    peaks = (smooth == maximum_filter(smooth, 11)) & (smooth > least)
    reach = int(_LARGE) + 1
    y, x = np.nonzero(peaks[reach:-reach, reach:-reach])
    y, x = y + reach, x + reach
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset, offset[:, None])
    # Apertures with soft edges a pixel wide, so that the flux does not jump with the place in the pixel.
    small, large = (np.clip(radius + 0.5 - distance, 0, 1) for radius in (_SMALL, _LARGE))
    places = zip(y, x, strict=True)
    pieces = np.stack([image[j - reach : j + reach + 1, i - reach : i + reach + 1] for j, i in places])
    inner, outer = (pieces * small).sum(axis=(1, 2)), (pieces * large).sum(axis=(1, 2))
    positive = (inner > 0) & (outer > 0)
    x, y, inner, outer = x[positive], y[positive], inner[positive], outer[positive]
    difference = 2.5 * np.log10(outer / inner)
    error = 1.086 * noise * np.hypot(np.sqrt(large.sum()) / outer, np.sqrt(small.sum()) / inner)
    separation = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(separation, np.inf)
    return Candidates(
        x=x,
        y=y,
        flux=outer,
        extent=difference - _stellar_locus(difference[(outer > 20) & (outer < 2000)]),
        extent_error=error,
        peak=np.array([image[j - 1 : j + 2, i - 1 : i + 2].max() for j, i in zip(y, x, strict=True)]),
        isolated=separation.min(axis=1) > 15,
    )


def _stellar_locus(difference: np.ndarray) -> float:
    """Aperture difference of the point sources: where bright objects crowd most, among the concentrated."""
    values = np.sort(difference)
    values = values[: max(len(values) * 3 // 4, 1)]
    if len(values) < 8:
        raise ValueError(
            f"only {len(values)} bright objects in the frame; too few to tell stars from galaxies."
        )
    while len(values) > 4:
        half = (len(values) + 1) // 2
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        first = int(np.argmin(widths))
        values = values[first : first + half]
    return float(values.mean())


def empirical_psf(image: np.ndarray, candidates: Candidates, side: int = PSF_SIDE) -> np.ndarray:
    """Median of a frame's isolated stars, each moved to the middle of a pixel.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Sky-subtracted flux.
    candidates : Candidates
        Of this image.
    side : int
        Odd [pixels].

    Returns
    -------
    ndarray, shape (side, side)
        Sum 1; light beyond the stars' visible discs is missing.

    Raises
    ------
    ValueError
        With fewer than 5 usable stars.
    """
    half = side // 2 + 2
    offset = np.arange(-half, half + 1)
    distance = np.hypot(offset, offset[:, None])
    stars = []
    for x, y in zip(candidates.x[candidates.is_star], candidates.y[candidates.is_star], strict=True):
        piece = image[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1].astype(float)
        if piece.shape != distance.shape or piece.max() > _BRIGHT_STAR:
            continue
        piece = piece - np.median(piece[distance > half - 2])
        window = np.exp(-(distance**2) / (2 * 3.0**2)) * np.clip(piece, 0, None)
        place_x, place_y = (
            np.sum(window * offset) / window.sum(),
            np.sum(window * offset[:, None]) / window.sum(),
        )
        moved = shift(piece, (-place_y, -place_x), order=3)
        stars.append(moved / (moved * (distance < _LARGE)).sum())
    if len(stars) < 5:
        raise ValueError(
            f"only {len(stars)} isolated stars for a PSF; put the field's psField beside the frame."
        )
    psf = np.median(stars, axis=0)[2:-2, 2:-2]
    inner = distance[2:-2, 2:-2]
    psf = np.where(inner < side // 2, np.clip(psf, 0, None), 0.0)
    return psf / psf.sum()


def read_sdss_frame(path: Path, bands: tuple[str, ...], places: Table | None = None) -> Iterator[RawStamp]:
    """Galaxies of one SDSS field, found in r (or in the first band wanted) and cut from all of its bands.

    Bands are aligned by whole pixels through their coordinates; nothing is interpolated.

    Parameters
    ----------
    path : Path
        Any frame of the field; the other bands' frames, and the psField file if there is one, lie beside it.
    bands : tuple of str
        Wanted, in this order.
    places : Table, optional
        Columns ``ra`` and ``dec`` [deg]: galaxies to cut, those of them that lie in the frame; others are not
        searched for. Its further columns go along, with ``catalogue_`` before their names.

    Yields
    ------
    RawStamp
    """
    frames = [open_frame(file) for file in frame_siblings(path, bands)]
    main = bands.index("r") if "r" in bands else 0
    psf_file = psfield_of(path)
    candidates = []
    if psf_file is None or places is None:
        candidates = [find_candidates(frame.image) for frame in frames]
    empirical = None
    if psf_file is None:
        empirical = np.stack([empirical_psf(f.image, c) for f, c in zip(frames, candidates, strict=True)])
    if places is None:
        targets = _detected(path, frames[main], candidates[main], bands[main])
    else:
        targets = _inside(frames[main], places)

    def make(target: tuple) -> RawStamp:
        psf = empirical
        if psf_file is not None:
            row, column = round(target[1]), round(target[0])
            psf = np.stack([read_psfield(psf_file, band, row, column) for band in bands])
        return _cut_stamp(path, frames, bands, main, psf, *target)

    def place(target: tuple) -> str:
        return f"{target[0]:.0f},{target[1]:.0f}"

    def name(target: tuple) -> str:
        return f"{path.name.partition('.')[0]}-{place(target)}"

    yield from each_row(targets, make, bands, path.name, name, place)


def _cut_stamp(
    path: Path,
    frames: list[Frame],
    bands: tuple[str, ...],
    main: int,
    psf: np.ndarray,
    x: float,
    y: float,
    metadata: dict,
) -> RawStamp:
    """Cut a galaxy at x, y of the main frame from all frames of the field."""
    reference = frames[main]
    ra, dec = (float(value) for value in reference.wcs.pixel_to_world_values(x, y))
    column, row = round(x), round(y)
    pieces, masks, quantum = zip(*(_cut_band(frame, ra, dec) for frame in frames), strict=True)
    half = STAMP_SIDE // 2
    matrix = place_and_matrix(reference.wcs, x, y)[1]
    return RawStamp(
        image=np.stack(pieces),
        psf=psf,
        pixel_scale=sdss.PIXEL_SCALE,
        bands=bands,
        galaxy_id=coordinate_name("SDSS", ra, dec),
        mask=np.stack(masks),
        ra=ra,
        dec=dec,
        quantum=np.array(quantum),
        electrons=np.array([
            sdss.electrons_per_nanomaggy(frame.run, frame.camcol, frame.band, count)
            for frame, count in zip(frames, quantum, strict=True)
        ]),
        sky_frame=SkyFrame.of_matrix(half + x - column, half + y - row, matrix),
        metadata={
            "source": path.name, "source_index": f"{column},{row}",
            "run": reference.run, "camcol": reference.camcol, "field": reference.field, **metadata,
        },
    )  # fmt: skip


def _detected(path: Path, reference: Frame, candidates: Candidates, band: str) -> Iterator[tuple]:
    """Places x, y of the galaxies found in a frame, with what is measured of them."""
    crowded = _near_bright_stars(reference.image, candidates)
    chosen = np.flatnonzero(candidates.is_galaxy & ~crowded & ~_overshadowed(candidates))
    log.info("%s: %d galaxies among %d objects", path.name, len(chosen), len(candidates.x))
    for i in chosen:
        measured = {f"aperture_mag_{band}": float(22.5 - 2.5 * np.log10(candidates.flux[i]))}
        yield int(candidates.x[i]), int(candidates.y[i]), measured


def _inside(reference: Frame, places: Table) -> Iterator[tuple]:
    """Places x, y of a catalogue's galaxies that lie in a frame, with their other columns."""
    n_y, n_x = reference.image.shape
    ra, dec = np.asarray(places["ra"], float), np.asarray(places["dec"], float)
    # The projection has a second solution on the far side of the sky.
    middle_ra, middle_dec = reference.wcs.pixel_to_world_values(n_x / 2, n_y / 2)
    near = np.flatnonzero(separation(ra, dec, float(middle_ra), float(middle_dec)) < _FRAME_REACH)
    for i in near:
        x, y = (float(value) for value in reference.wcs.world_to_pixel_values(ra[i], dec[i]))
        if not (-0.5 <= x < n_x - 0.5 and -0.5 <= y < n_y - 0.5):
            continue
        others = {name: places[name][i] for name in places.colnames if name not in ("ra", "dec")}
        yield (
            x,
            y,
            {
                f"catalogue_{name}": value.item() if isinstance(value, np.generic) else value
                for name, value in others.items()
                if not np.ma.is_masked(value)
            },
        )


def psfield_of(path: Path) -> Path | None:
    """Find the psField file of a frame's field beside it, if there is one."""
    run, camcol, field = FRAME_NAME.search(path.name).groups()[1:4]
    return next(iter(sorted(path.parent.glob(f"psField-{run}-{camcol}-{field}.fit*"))), None)


def _near_bright_stars(image: np.ndarray, candidates: Candidates) -> np.ndarray:
    """Whether a candidate lies in the halo or spikes of a bright star."""
    bright_y, bright_x = np.nonzero(image > _BRIGHT_STAR)
    bright_x = np.concatenate([bright_x, candidates.x[candidates.is_saturated]])
    bright_y = np.concatenate([bright_y, candidates.y[candidates.is_saturated]])
    if len(bright_x) == 0:
        return np.zeros(len(candidates.x), dtype=bool)
    distance = np.hypot(candidates.x[:, None] - bright_x, candidates.y[:, None] - bright_y)
    return distance.min(axis=1) < _STAR_REACH


def _overshadowed(candidates: Candidates) -> np.ndarray:
    """Whether a candidate is likely a knot of a galaxy twice as bright beside it."""
    separation = np.hypot(candidates.x[:, None] - candidates.x, candidates.y[:, None] - candidates.y)
    brighter = candidates.is_galaxy & (candidates.flux > 2 * candidates.flux[:, None])
    return ((separation < _KNOT_REACH) & brighter).any(axis=1)


def _cut_band(frame: Frame, ra: float, dec: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Piece of a frame about a place, NaN beyond its edges; its mask; and the flux of a count there."""
    x, y = (round(float(value)) for value in frame.wcs.world_to_pixel_values(ra, dec))
    half = STAMP_SIDE // 2
    n_y, n_x = frame.image.shape
    piece = np.full((STAMP_SIDE, STAMP_SIDE), np.nan, dtype=np.float32)
    rows = slice(max(y - half, 0), min(y + half + 1, n_y))
    columns = slice(max(x - half, 0), min(x + half + 1, n_x))
    inside = (
        slice(rows.start - y + half, rows.stop - y + half),
        slice(columns.start - x + half, columns.stop - x + half),
    )
    piece[inside] = frame.image[rows, columns]
    quantum = float(frame.calibration[min(max(x, 0), n_x - 1)])
    mask = np.where(piece > FULL_WELL * quantum, RAW_MASK_BITS["saturated"], 0)
    return piece, mask.astype(np.uint8), quantum
