"""Readers of SDSS galaxies collected in HDF5 files: a stack with field tables, and groups of one object."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.survey_files import sdss_camera as sdss
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.lattice import camera_quantum
from simcompare.observed.names import coordinate_name, word

__all__ = ["read_sdss_host_groups", "read_sdss_object_groups", "read_sdss_stack"]


# Below this the pixels lie on no camera lattice: they were resampled. Single SDSS frames give 0.96 and more.
LATTICE_COHERENCE = 0.9


def _electrons(run: int, camcol: int, bands: tuple[str, ...], calibration) -> np.ndarray:
    """Electrons per nanomaggy in each band."""
    return np.array(
        [
            sdss.electrons_per_nanomaggy(run, camcol, band, c)
            for band, c in zip(bands, calibration, strict=True)
        ]
    )


def _check_bands(path: Path, wanted: tuple[str, ...], present: str | tuple[str, ...]) -> list[int]:
    """Positions of the wanted bands among those present."""
    missing = [band for band in wanted if band not in present]
    if missing:
        raise ValueError(f"{path}: bands {missing} are not in it; it has {', '.join(present)}.")
    return [list(present).index(band) for band in wanted]


def read_sdss_stack(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Galaxies of one array ``image`` (n, band, y, x), with calibration and PSF by field.

    The masks that such a file gives are not used: neighbours are found as in every other image.

    Parameters
    ----------
    path : Path
        HDF5 file.
    bands : tuple of str
        Wanted, in this order.

    Yields
    ------
    RawStamp
    """
    with open_checked(path) as file:
        chosen = _check_bands(path, bands, str(file.attrs["bands"]))
        field_names = [word(name) for name in file["field_id"][:]]
        calibration = file["field_nmgy_per_count"][:, chosen]
        psf = file["psf"][:, chosen].astype(float)
        psf /= psf.sum(axis=(2, 3), keepdims=True)
        columns = {
            name: file[name][:]
            for name in (
                "ra_deg",
                "dec_deg",
                "field_index",
                "mag_r",
                "r50_arcsec",
                "r90_arcsec",
                "axis_ratio",
            )
        }
        for i in range(len(file["image"])):
            field = int(columns["field_index"][i])
            run, camcol, number = (int(part) for part in field_names[field].split("-"))
            ra, dec = float(columns["ra_deg"][i]), float(columns["dec_deg"][i])
            yield RawStamp(
                image=file["image"][i, chosen],
                psf=psf[field],
                pixel_scale=float(file.attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=coordinate_name("SDSS", ra, dec),
                ra=ra,
                dec=dec,
                quantum=calibration[field],
                electrons=_electrons(run, camcol, bands, calibration[field]),
                metadata={
                    "source": path.name, "source_index": str(i),
                    "run": run, "camcol": camcol, "field": number,
                    "source_mag_r": float(columns["mag_r"][i]),
                    "source_half_light_radius": float(columns["r50_arcsec"][i]),
                    "source_axis_ratio": float(columns["axis_ratio"][i]),
                },
            )  # fmt: skip


def read_sdss_object_groups(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Galaxies of ragged size, each in a group ``objects/NNN`` with image, mask and PSF.

    Pixels under the mask were destroyed by the makers of the file and count as neighbours.

    Parameters
    ----------
    path : Path
        HDF5 file.
    bands : tuple of str
        Wanted; the file has one.

    Yields
    ------
    RawStamp
    """
    with open_checked(path) as file:
        _check_bands(path, bands, str(file.attrs["bands"]))
        for name, group in file["objects"].items():
            image, mask = group["image"][:], group["mask"][:]
            attributes = group.attrs
            run, camcol = int(attributes["run"]), int(attributes["camcol"])
            ra, dec = float(attributes["ra_deg"]), float(attributes["dec_deg"])
            quantum, coherence = camera_quantum(image, mask == 0, *sdss.QUANTUM_RANGE)
            resampled = coherence < LATTICE_COHERENCE
            yield RawStamp(
                image=image[None],
                psf=group["psf"][:][None].astype(float),
                pixel_scale=float(file.attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=coordinate_name("SDSS", ra, dec),
                mask=np.where(mask > 0, RAW_MASK_BITS["neighbour"], 0),
                ra=ra,
                dec=dec,
                quantum=np.array([0.0 if resampled else quantum]),
                electrons=_electrons(run, camcol, bands, [sdss.TYPICAL_QUANTUM if resampled else quantum]),
                resampled=resampled,
                metadata={
                    "source": path.name, "source_index": name, "run": run, "camcol": camcol,
                    "field": int(attributes["field"]), "redshift": float(attributes["redshift"]),
                    "source_petrosian_radius": float(attributes["petro_radius_arcsec"]),
                    "source_axis_ratio": float(attributes["sersic_axis_ratio"]),
                },
            )  # fmt: skip


def read_sdss_host_groups(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Galaxies with spectra, each in a group ``spec_hosts/<plate-MJD-fibre>`` with image, mask and PSF.

    Their coordinates and camera columns are not given; the gain is the mean of the columns'. The masks of
    neighbours are not used: neighbours are found as in every other image.

    Parameters
    ----------
    path : Path
        HDF5 file.
    bands : tuple of str
        Wanted; the file has r.

    Yields
    ------
    RawStamp
    """
    with open_checked(path) as file:
        _check_bands(path, bands, ("r",))
        for name, group in file["spec_hosts"].items():
            image, psf = group["image"][:], group["psf"][:].astype(float)
            quantum, coherence = camera_quantum(image, np.isfinite(image), *sdss.QUANTUM_RANGE)
            yield RawStamp(
                image=image[None],
                psf=psf[None] / psf.sum(),
                pixel_scale=float(file["spec_hosts"].attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=f"SDSS-{name.removesuffix('_r')}",
                quantum=np.array([quantum]),
                electrons=np.array([sdss.mean_gain("r") / quantum]),
                resampled=coherence < LATTICE_COHERENCE,
                metadata={"source": path.name, "source_index": name},
            )
