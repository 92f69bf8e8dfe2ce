"""What leaves the house: one FITS file per cutout, and colour pictures with a fixed stretch."""

import json
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from mocks.checked_fits import open_fits
from mocks.display import lupton_rgb
from mocks.magnitudes import AB_NANOMAGGY
from mocks.observing.observe import MASK_BITS, Cutout
from mocks.observing.wcs import tangent_wcs

__all__ = ["cutout_wcs", "lupton_rgb", "read_fits", "write_fits", "write_rgb"]


def cutout_wcs(cutout: Cutout, ra: float = 0.0, dec: float = 0.0) -> WCS:
    """World coordinates with the middle of the image at a position, north up, east left.

    Parameters
    ----------
    cutout : Cutout
    ra, dec : float
        [deg]. A simulated galaxy has no place on the sky; the default says so by being the origin.

    Returns
    -------
    astropy.wcs.WCS
    """
    return tangent_wcs(cutout.image.shape[1:], cutout.pixel_scale, ra, dec)


def write_fits(path: str | Path, cutout: Cutout, ra: float = 0.0, dec: float = 0.0) -> None:
    """Write a cutout with everything that belongs to it.

    Parameters
    ----------
    path : str or Path
        Replaced when it exists.
    cutout : Cutout
    ra, dec : float
        Where the middle is put [deg].

    Notes
    -----
    Per band the extensions SCI (nanomaggies, WCS, zeropoint 22.5), VAR, MASK, PSF and, where kept, the
    noiseless stages IDEAL and BLURRED, with EXTVER counting the bands; metadata as JSON in METADATA.
    """
    header = cutout_wcs(cutout, ra, dec).to_header()
    primary = fits.PrimaryHDU()
    primary.header["ORIGIN"] = "simcompare mock observation"
    primary.header["BANDS"] = ",".join(cutout.bands)
    primary.header["PIXSCALE"] = (cutout.pixel_scale, "arcsec")
    file = fits.HDUList([primary])

    def add(name, data, number, band, unit, cards=()):
        hdu = fits.ImageHDU(data, header if name != "PSF" else None, name=name, ver=number)
        hdu.header["BAND"] = band
        if unit:
            hdu.header["BUNIT"] = unit
        for key, value, comment in cards:
            hdu.header[key] = (value, comment)
        file.append(hdu)

    state = cutout.conditions
    for i, band in enumerate(cutout.bands):
        drawn = (
            ("ABZP", AB_NANOMAGGY, "AB magnitude of one nanomaggy"),
            ("SEEING", float(state.psf_fwhm[i]), "PSF FWHM [arcsec]"),
            ("SKYSIG", float(state.sky_sigma[i]), "blank-pixel sigma [nanomaggy]"),
            ("EPERNMGY", float(state.electrons_per_nanomaggy[i]), "electrons per nanomaggy"),
            ("NMGYPERC", float(state.nanomaggies_per_count[i]), "nanomaggies per camera count"),
        )
        add("SCI", cutout.image[i], i + 1, band, "nanomaggy", drawn)
        add("VAR", cutout.variance[i], i + 1, band, "nanomaggy2")
        bits = [(f"BIT{n}", value, name) for n, (name, value) in enumerate(MASK_BITS.items())]
        add("MASK", cutout.mask[i], i + 1, band, "", bits)
        add("PSF", cutout.psf[i].astype(np.float32), i + 1, band, "")
        for name, stage in cutout.stages.items():
            add(name.upper(), stage[i], i + 1, band, "nanomaggy")
    text = json.dumps(cutout.metadata)
    column = fits.Column("json", f"{max(len(text), 1)}A", array=[text])
    file.append(fits.BinTableHDU.from_columns([column], name="METADATA"))
    file.writeto(path, overwrite=True)


def read_fits(path: str | Path) -> dict[str, np.ndarray | dict]:
    """Read what ``write_fits`` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        ``image``, ``variance``, ``mask``, ``psf`` (and stages), each (band, ...), ``bands``, ``metadata``.

    Raises
    ------
    FileNotFoundError, OSError
        For a missing or foreign file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"cutout {path} does not exist.")
    names = {
        "SCI": "image",
        "VAR": "variance",
        "MASK": "mask",
        "PSF": "psf",
        "IDEAL": "ideal",
        "BLURRED": "blurred",
    }
    try:
        with open_fits(path) as file:
            contents: dict = {"bands": tuple(file[0].header["BANDS"].split(","))}
            for extension, name in names.items():
                planes = [hdu.data for hdu in file if hdu.name == extension]
                if planes:
                    contents[name] = np.stack(planes)
            contents["metadata"] = json.loads(file["METADATA"].data["json"][0])
            return contents
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise OSError(f"{path} is not a cutout written by simcompare: {error}.") from error


def write_rgb(path: str | Path, cutout: Cutout, bands: str, quality: int = 95, **options) -> None:
    """Write a cutout as an 8-bit picture with a stretch that is the same for every galaxy.

    Parameters
    ----------
    path : str or Path
        ``.png``, or ``.jpg`` for pictures that went through JPEG as survey cut-outs do.
    cutout : Cutout
    bands : str
        Bands of red, green and blue.
    quality : int
        Of a JPEG.
    **options
        Of ``lupton_rgb``.

    Raises
    ------
    ValueError
        For a band that the cutout does not have.
    """
    from PIL import Image

    missing = [band for band in bands if band not in cutout.bands]
    if missing:
        raise ValueError(f"the cutout has the bands {', '.join(cutout.bands)}, not {', '.join(missing)}.")
    colour = lupton_rgb(cutout.image[[cutout.bands.index(band) for band in bands]], **options)
    # Files count rows from the top.
    Image.fromarray(colour[::-1]).save(path, **({"quality": quality} if Path(path).suffix == ".jpg" else {}))
