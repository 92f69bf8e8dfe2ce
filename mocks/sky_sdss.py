"""Real sky from SDSS corrected frames on local disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from mocks.psf import measure_fwhm
from mocks.psf_sdss import read_psfield
from mocks.sky import SkyBank, clipped_sigma, find_sites, segment
from mocks.surveys import load_survey

__all__ = ["SdssFrame", "read_frame", "sdss_sky_bank"]


@dataclass(frozen=True, eq=False)
class SdssFrame:
    """One SDSS corrected frame.

    Parameters
    ----------
    path : Path
    band : str
    run, camcol, field : int
    image : ndarray, shape (1489, 2048)
        Sky-subtracted [nanomaggies per pixel].
    nanomaggies_per_count : ndarray, shape (2048,)
        Calibration of every column.
    sky_counts : float
        Median of the sky that was subtracted.
    wcs : astropy.wcs.WCS
    """

    path: Path
    band: str
    run: int
    camcol: int
    field: int
    image: np.ndarray
    nanomaggies_per_count: np.ndarray
    sky_counts: float
    wcs: WCS


def read_frame(path: str | Path) -> SdssFrame:
    """Read an SDSS ``frame`` file, plain or compressed.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    SdssFrame

    Raises
    ------
    FileNotFoundError, OSError
        For a missing, cut or foreign file.

    References
    ----------
    SDSS data model, ``frame``: HDU 0 image, HDU 1 calibration per column, HDU 2 sky in counts.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"SDSS frame {path} does not exist.")
    try:
        with fits.open(path) as file:
            header = file[0].header
            return SdssFrame(
                path=path,
                band=header["FILTER"].strip(),
                run=int(header["RUN"]),
                camcol=int(header["CAMCOL"]),
                field=int(header["FRAME"]),
                image=np.array(file[0].data, np.float32),
                nanomaggies_per_count=np.array(file[1].data, float),
                sky_counts=float(np.median(file[2].data["ALLSKY"])),
                wcs=_plain_wcs(header),
            )
    except (OSError, KeyError, IndexError, TypeError, EOFError) as error:
        raise OSError(f"{path} is not a complete SDSS frame file: {error}.") from error


def _plain_wcs(header: fits.Header) -> WCS:
    """Tangent projection from the header, whose other keywords are of an old dialect."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    if header["CTYPE1"].startswith("DEC"):
        wcs.wcs.ctype = ["DEC--TAN", "RA---TAN"]
    wcs.wcs.crpix = header["CRPIX1"], header["CRPIX2"]
    wcs.wcs.crval = header["CRVAL1"], header["CRVAL2"]
    wcs.wcs.cd = [[header["CD1_1"], header["CD1_2"]], [header["CD2_1"], header["CD2_2"]]]
    return wcs


def sdss_sky_bank(
    paths: Mapping[str, str | Path],
    psf: Mapping[str, np.ndarray] | str | Path,
    size: int,
    n: int,
    rng: np.random.Generator,
    clear: float | None = None,
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
    clear : float, optional
        Radius about the centre free of sources [pixels]; default the whole patch.

    Returns
    -------
    SkyBank

    Raises
    ------
    ValueError
        When no place is free or the files are of another band than said.
    """
    frames = {band: read_frame(path) for band, path in paths.items()}
    for band, frame in frames.items():
        if frame.band != band:
            raise ValueError(f"{frame.path} is a frame of band {frame.band}, not {band}.")
    bands = tuple(frames)
    reference = frames[bands[0]]
    shifts = [_whole_pixel_shift(reference, frame) for frame in frames.values()]
    aligned = [_shifted(frame.image, shift) for frame, shift in zip(frames.values(), shifts, strict=True)]
    taken = segment(np.stack(aligned))
    corners = find_sites(taken, size, n, rng, clear=clear, border=8)
    survey = load_survey("sdss")
    sigma, images, psfs, widths, gains, quanta = [], [], [], [], [], []
    for band, frame, whole, (dy, dx) in zip(bands, frames.values(), aligned, shifts, strict=True):
        places = corners + np.array([dy, dx])
        cut = np.stack([frame.image[y : y + size, x : x + size] for y, x in places])
        centre = places + size // 2
        quantum = frame.nanomaggies_per_count[centre[:, 1]]
        images.append(cut)
        # Of all blank pixels, scaled by the calibration of the column: a patch alone holds too few.
        sigma.append(clipped_sigma(whole[~taken])[1] * quantum / np.median(quantum))
        gains.append(survey.bands[band].gain[frame.camcol - 1] / quantum)
        quanta.append(quantum)
        psfs.append([_psf_at(psf, band, y, x) for y, x in centre])
        different = psfs[-1][:1] if isinstance(psf, Mapping) else psfs[-1]
        widths.append(np.resize([measure_fwhm(one) for one in different], len(centre)))
    name = f"SDSS {reference.run:06d}-{reference.camcol}-{reference.field:04d}"
    return SkyBank(
        bands=bands,
        image=np.stack(images, axis=1),
        sky_sigma=np.stack(sigma, axis=1),
        psf=np.swapaxes(np.array(psfs), 0, 1),
        psf_fwhm=np.stack(widths, axis=1) * survey.pixel_scale,
        electrons_per_nanomaggy=np.stack(gains, axis=1),
        nanomaggies_per_count=np.stack(quanta, axis=1),
        origin=np.array([f"{name} row {y} column {x}" for y, x in corners]),
    )


def _whole_pixel_shift(reference: SdssFrame, frame: SdssFrame) -> tuple[int, int]:
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
