"""Readers of SDSS galaxies collected in HDF5 files: a stack with field tables, and groups of one object."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.survey_files import sdss_camera as sdss
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.bands import band_names, band_places
from simcompare.observed.lattice import camera_quantum
from simcompare.observed.names import galaxy_name, word
from simcompare.observed.rows import check_filters, each_row

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
        chosen = band_places(path, bands, band_names(file.attrs["bands"], path))
        check_filters(file, path)
        field_names = [word(name) for name in file["field_id"][:]]
        calibration = file["field_nmgy_per_count"][:][:, chosen]
        psf = file["psf"][:][:, chosen].astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):  # a field without a PSF spoils its own galaxies
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

        def make(i: int) -> RawStamp:
            field = int(columns["field_index"][i])
            run, camcol, number = (int(part) for part in field_names[field].split("-"))
            ra, dec = float(columns["ra_deg"][i]), float(columns["dec_deg"][i])
            return RawStamp(
                image=file["image"][i][chosen],
                psf=psf[field],
                pixel_scale=float(file.attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=galaxy_name("SDSS", ra, dec, f"{path.stem}-{i}"),
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

        yield from each_row(range(len(file["image"])), make, bands, path.name, f"{path.stem}-{{}}".format)


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
        band_places(path, bands, band_names(file.attrs["bands"], path))

        def make(name: str) -> RawStamp:
            group = file["objects"][name]
            check_filters(group, path)
            image, mask = group["image"][:], group["mask"][:]
            attributes = group.attrs
            run, camcol = int(attributes["run"]), int(attributes["camcol"])
            ra, dec = float(attributes["ra_deg"]), float(attributes["dec_deg"])
            quantum, coherence = camera_quantum(image, mask == 0, *sdss.QUANTUM_RANGE)
            resampled = coherence < LATTICE_COHERENCE
            return RawStamp(
                image=image[None],
                psf=group["psf"][:][None].astype(float),
                pixel_scale=float(file.attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=galaxy_name("SDSS", ra, dec, f"{path.stem}-{name}"),
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

        yield from each_row(file["objects"], make, bands, path.name, f"{path.stem}-{{}}".format)


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
        band_places(path, bands, ("r",))

        def make(name: str) -> RawStamp:
            group = file["spec_hosts"][name]
            check_filters(group, path)
            image, psf = group["image"][:], group["psf"][:].astype(float)
            quantum, coherence = camera_quantum(image, np.isfinite(image), *sdss.QUANTUM_RANGE)
            return RawStamp(
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

        yield from each_row(file["spec_hosts"], make, bands, path.name, f"{path.stem}-{{}}".format)
