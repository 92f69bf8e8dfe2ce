"""Real sky from SDSS corrected frames on local disk."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mocks.observing.psf_images import measure_fwhm
from mocks.observing.sky_bank import CLEAR, SkyBank, clipped_sigma, find_sites, segment
from mocks.survey_files.sdss_camera import electrons_per_nanomaggy
from mocks.survey_files.sdss_frames import Frame, open_frame
from mocks.survey_files.sdss_psf import read_psfield
from mocks.surveys import load_survey

__all__ = ["sdss_sky_bank"]

EDGE = 8  # pixels at the edge of a frame that no patch holds: its bands are shifted against each other
STRIP = 64  # columns over which noise is measured: many pixels, and well within one amplifier's half
CELL = 128  # side of the square over which left-over sky is measured, as for the numbers of the survey file


def sdss_sky_bank(
    paths: Mapping[str, str | Path],
    psf: Mapping[str, np.ndarray] | str | Path,
    size: int,
    n: int,
    rng: np.random.Generator,
    clear: float | None = CLEAR,
) -> SkyBank:
    """Cut patches of sky out of the frames of one field.

    Parameters
    ----------
    paths : mapping of str to path
        Frame of each band; sites are chosen free of sources in all of them and cut at the same place of the
        sky, to the nearest pixel.
    psf : mapping of str to ndarray, or path
        PSF image of each band, or the field's psField file, evaluated at each place.
    size : int
        Side of the patches [pixels].
    n : int
        How many at most; patches do not overlap.
    rng : numpy.random.Generator
    clear : float or None
        Radius about the centre free of sources [pixels]; None: the whole patch.

    Raises
    ------
    ValueError
        When no place is free or the files are of another band than said.
    """
    frames = {band: open_frame(path) for band, path in paths.items()}
    for band, frame in frames.items():
        if frame.band != band:
            raise ValueError(f"{frame.path} is a frame of band {frame.band}, not {band}.")
    bands = tuple(frames)
    reference = frames[bands[0]]
    shifts = [_whole_pixel_shift(reference, frame) for frame in frames.values()]
    aligned = [_shifted(frame.image, shift) for frame, shift in zip(frames.values(), shifts, strict=True)]
    taken = segment(np.stack(aligned))
    corners = find_sites(taken, size, n, rng, clear=clear, border=EDGE)
    survey = load_survey("sdss")
    sigma, level, images, psfs, widths, gains, quanta = [], [], [], [], [], [], []
    for band, frame, whole, (dy, dx) in zip(bands, frames.values(), aligned, shifts, strict=True):
        places = corners + np.array([dy, dx])
        cut = np.stack([frame.image[y : y + size, x : x + size] for y, x in places])
        centre = places + size // 2
        quantum = frame.calibration[centre[:, 1]]
        images.append(cut)
        blank = np.where(taken, np.nan, whole)
        sigma.append(_noise_of_columns(blank)[corners[:, 1] + size // 2])
        level.append(_level_about(whole, corners + size // 2))
        gains.append(electrons_per_nanomaggy(frame.run, frame.camcol, band, quantum))
        quanta.append(quantum)
        psfs.append([_psf_at(psf, band, y, x) for y, x in centre])
        different = psfs[-1][:1] if isinstance(psf, Mapping) else psfs[-1]
        widths.append(np.resize([measure_fwhm(one) for one in different], len(centre)))
    name = f"SDSS {reference.run:06d}-{reference.camcol}-{reference.field:04d}"
    return SkyBank(
        bands=bands,
        image=np.stack(images, axis=1),
        sky_sigma=np.stack(sigma, axis=1),
        sky_level=np.stack(level, axis=1),
        psf=np.swapaxes(np.array(psfs), 0, 1),
        psf_fwhm=np.stack(widths, axis=1) * survey.pixel_scale,
        electrons_per_nanomaggy=np.stack(gains, axis=1),
        nanomaggies_per_count=np.stack(quanta, axis=1),
        origin=np.array([f"{name} row {y} column {x}" for y, x in corners]),
    )


def _noise_of_columns(blank: np.ndarray) -> np.ndarray:
    """Noise of the blank pixels (others NaN) about each column: a patch alone holds too few.

    The two halves of a CCD have amplifiers of their own, whose noise differs by up to 13 %.
    """
    n = blank.shape[1]
    strips = [clipped_sigma(blank[:, i : i + STRIP])[1] for i in range(0, n - STRIP + 1, STRIP)]
    return np.array(strips)[np.minimum(np.arange(n) // STRIP, len(strips) - 1)]


def _level_about(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Clipped mean of the square of the image in which each place lies; undetected sources are part of it."""
    corners = places // CELL * CELL
    levels = {
        (y, x): clipped_sigma(image[y : y + CELL, x : x + CELL])[0] for y, x in np.unique(corners, axis=0)
    }
    return np.array([levels[y, x] for y, x in corners])


def _whole_pixel_shift(reference: Frame, frame: Frame) -> tuple[int, int]:
    """Offset (y, x) of the same place on the sky in another band's frame."""
    if frame is reference:
        return 0, 0
    n_y, n_x = reference.image.shape
    x, y = frame.wcs.wcs_world2pix(reference.wcs.wcs_pix2world([[n_x / 2, n_y / 2]], 0), 0)[0]
    return round(y - n_y / 2), round(x - n_x / 2)


def _shifted(image: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """Image on the pixels of the reference band; NaN where it does not reach."""
    n_y, n_x = image.shape
    dy, dx = shift
    out = np.full(image.shape, np.nan)
    out[max(0, -dy) : n_y - max(0, dy), max(0, -dx) : n_x - max(0, dx)] = image[
        max(0, dy) : n_y + min(0, dy), max(0, dx) : n_x + min(0, dx)
    ]
    return out


def _psf_at(psf, band: str, row: float, column: float) -> np.ndarray:
    """PSF of a band at a place, normalised."""
    if isinstance(psf, Mapping):
        return np.asarray(psf[band], float) / np.sum(psf[band], dtype=float)
    return read_psfield(psf, band, row, column)
