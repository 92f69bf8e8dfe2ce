"""Readers of SDSS galaxies whose files hold no image of the PSF: it is in the header, or in a star nearby."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.observing.psf import effective_psf
from mocks.observing.psf_images import check_psf
from mocks.survey_files import sdss_camera as sdss
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.bands import band_names, band_places
from simcompare.observed.detect import FULL_WELL
from simcompare.observed.lattice import camera_quantum
from simcompare.observed.names import galaxy_name, place_in_name, word
from simcompare.observed.rows import check_filters, each_row
from simcompare.observed.stacks import LATTICE_COHERENCE
from simcompare.observed.stars import star_psf
from simcompare.observed.stated_psf import header_psf

__all__ = ["read_sdss_dr7_groups", "read_sdss_loose_groups"]

_SIDE = 41
_NO_PSF = "no PSF: none in the file's header, no star in the image; state it as attribute psf_fwhm_arcsec"
_TARGET = 1  # in the masks: 0 sky, 2 and more other objects


def read_sdss_dr7_groups(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Galaxies of DR7 frames in groups ``objects/NNN``, with their field's header as attributes.

    Each has its own calibration and gain; the PSF is that of the header, else of the stars in the image, else
    of a stated width (``psf_fwhm_arcsec``). The masks serve to find stars only: neighbours are found as in
    every other image.

    Parameters
    ----------
    path : Path
        HDF5 file with attributes ``bands`` and ``pixel_scale_arcsec``.
    bands : tuple of str
        Wanted; the file has one.

    Yields
    ------
    RawStamp
        With a problem where no PSF is known.
    """
    with open_checked(path) as file:
        names = band_names(file.attrs["bands"], path)
        if len(bands) != 1 or len(names) != 1:
            raise ValueError(f"{path}: bands {list(bands)} are not in it; it has {', '.join(names)}.")
        band_places(path, bands, names)
        scale, present = float(file.attrs["pixel_scale_arcsec"]), names[0]

        def make(name: str) -> RawStamp:
            group = file["objects"][name]
            check_filters(group, path)
            image, mask, stated = group["image"][:], group["mask"][:], group.attrs
            ra, dec = float(stated["ra_deg"]), float(stated["dec_deg"])
            quantum = float(stated["nmgy_per_dn"])
            electrons = float(stated["gain_e_per_dn"]) / quantum
            full = FULL_WELL * quantum
            psf, origin = _psf_of(stated, image, mask, scale, electrons, full)
            return RawStamp(
                image=image[None],
                psf=np.ones((1, 1, 1)) if psf is None else psf[None],
                pixel_scale=scale,
                bands=bands,
                galaxy_id=galaxy_name("SDSS", ra, dec, f"{path.stem}-{name}"),
                mask=np.where(image > full, RAW_MASK_BITS["saturated"], 0)[None].astype(np.uint8),
                ra=ra,
                dec=dec,
                quantum=np.array([quantum]),
                electrons=np.array([electrons]),
                problem=_NO_PSF if psf is None else "",
                metadata={
                    "source": path.name, "source_index": name, "run": int(stated["run"]),
                    "camcol": int(stated["camcol"]), "field": int(stated["field"]), "psf_origin": origin,
                    f"source_mag_{present}": float(stated["mag_r"]),
                    "source_half_light_radius": float(stated["r50_arcsec"]),
                    "source_axis_ratio": float(stated["axis_ratio"]),
                },
            )  # fmt: skip

        yield from each_row(file["objects"], make, bands, path.name, f"{path.stem}-{{}}".format)


def _psf_of(stated, image, mask, scale, electrons, brightest) -> tuple[np.ndarray | None, str]:
    """PSF of one image, and where it is from; None where nothing tells."""
    width = float(stated.get("psf_width_arcsec", np.nan))
    if width > 0:
        return header_psf(width, scale, _SIDE), "header"
    psf = star_psf(image.astype(float), mask != _TARGET, scale, electrons, brightest, _SIDE)
    if psf is not None:
        return psf, "star"
    if "psf_fwhm_arcsec" in stated:
        return effective_psf("gaussian", float(stated["psf_fwhm_arcsec"]) / scale, _SIDE), "stated width"
    return None, ""


def read_sdss_loose_groups(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Galaxies in groups ``<letter>_band/<name>``, images only, and ``fit_inputs/<name>``, with mask and PSF.

    The calibration is that of the lattice on which the pixels lie, the gain the mean of the camera's columns.

    Parameters
    ----------
    path : Path
        HDF5 file with attribute ``pixel_scale_arcsec``.
    bands : tuple of str
        Wanted; one that the file has groups of.

    Yields
    ------
    RawStamp
        With a problem where no PSF is known, or where the band is not: ``fit_inputs`` without attribute
        ``band``.
    """
    with open_checked(path) as file:
        groups = [name for name in file if name == "fit_inputs" or name == f"{bands[0]}_band"]
        if len(bands) != 1 or groups in ([], ["fit_inputs"]):
            present = [name.removesuffix("_band") for name in file if name.endswith("_band")]
            raise ValueError(f"{path}: bands {list(bands)} are not in it; it has {', '.join(present)}.")
        scale = float(file.attrs["pixel_scale_arcsec"])
        names = [f"{kind}/{name}" for kind in groups for name in file[kind]]

        def make(name: str) -> RawStamp:
            return _loose_stamp(path, name, file[name], bands, scale)

        yield from each_row(names, make, bands, path.name, f"{path.stem}-{{}}".format)


def _loose_stamp(path: Path, index: str, group, bands: tuple[str, ...], scale: float) -> RawStamp:
    """One galaxy of a group that states little."""
    image = group["image"][:]
    quantum, coherence = camera_quantum(image, np.isfinite(image), *sdss.QUANTUM_RANGE)
    electrons = sdss.mean_gain(bands[0]) / quantum
    problem = ""
    if "psf" in group:
        psf = group["psf"][:].astype(float)
        psf /= psf.sum()
        check_psf(psf, f"{path}: {index}/psf")
        if word(group.attrs.get("band", "")) not in bands:
            problem = "its band is not stated; add attribute band to its group"
    else:
        around = (
            np.hypot(*np.indices(image.shape) - np.reshape(image.shape, (2, 1, 1)) / 2) > min(image.shape) / 4
        )
        psf = star_psf(image.astype(float), around, scale, electrons, FULL_WELL * quantum, _SIDE)
        problem = _NO_PSF if psf is None else ""
    ra, dec = place_in_name(index)
    named = galaxy_name("SDSS", ra, dec, f"SDSS-{index.split('/')[1]}")
    return RawStamp(
        image=image[None],
        psf=np.ones((1, 1, 1)) if psf is None else psf[None],
        pixel_scale=scale,
        bands=bands,
        galaxy_id=named,
        ra=ra,
        dec=dec,
        quantum=np.array([quantum]),
        electrons=np.array([electrons]),
        resampled=coherence < LATTICE_COHERENCE,
        problem=problem,
        metadata={"source": path.name, "source_index": index},
    )
