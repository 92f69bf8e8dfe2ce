"""Further kinds of files that `damaged_files.py` damages: of simulations in several files, and of surveys."""

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import Table

from mocks.ideal import read_ideal_image
from mocks.observing.psf import gaussian_psf
from mocks.observing.sky_bank import SkyBank
from mocks.readers import open_snapshot
from mocks.survey_files.hsc_coadds import open_coadd, open_psf
from mocks.survey_files.psfex import open_psfex
from mocks.survey_files.sdss_frames import open_frame
from mocks.toys import (
    toy_galaxies,
    write_eagle_snapshot,
    write_ramses_output,
    write_swift_snapshot,
    write_tng_snapshot,
)
from simcompare.observed.formats import read_stamps
from simcompare.runs.failures import count_failures
from simcompare.runs.tables import write_table

__all__ = ["kinds", "read_galaxy"]

Make = Callable[[Path], tuple[Path, Callable[[], object]]]


def read_galaxy(snapshot: Path) -> object:
    """Catalogue and one galaxy of a snapshot."""
    opened = open_snapshot(snapshot)
    table = opened.catalogue()
    if not len(table):
        return []
    galaxy = opened.read(int(table["subhalo_id"][0]))
    stars = galaxy.stars
    columns = {name: np.asarray(table[name]) for name in table.colnames}
    return [columns, galaxy.redshift, stars.position, stars.mass, stars.age, stars.metallicity]


def _of_simulation(name: str, write: Callable, pattern: str, **options: object) -> Make:
    """Maker of a toy simulation of which one file is damaged."""

    def make(folder: Path) -> tuple[Path, Callable[[], object]]:
        home = folder / "simulations" / name.replace(" ", "-")
        home.parent.mkdir(exist_ok=True, parents=True)
        made = Path(write(home, toy_galaxies("toy-1", 2, 3), **options))
        return sorted(home.rglob(pattern))[0], lambda: read_galaxy(made)

    return make


def _alone(name: str, write: Callable[[Path], object], read: Callable[[Path], object]) -> Make:
    """Maker of a file that stands alone."""

    def make(folder: Path) -> tuple[Path, Callable[[], object]]:
        path = folder / "surveys" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        write(path)
        return path, lambda: read(path)

    return make


def _image(n: int = 16) -> np.ndarray:
    """Noise that every file of an image holds."""
    return np.random.default_rng(1).normal(size=(n, n)).astype("f4")


def _tangential(**cards: object) -> fits.Header:
    """Header of an image of the sky."""
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 1.0, "CRPIX1": 8.5,
              "CRPIX2": 8.5, "CD1_1": -1.1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1.1e-4}  # fmt: skip
    return fits.Header(header | cards)


def _write_frame(path: Path) -> None:
    """Frame of SDSS: image, calibration, and a coarse sky with the places where it is read off."""
    side = 32
    cards = {"RUN": 94, "CAMCOL": 1, "FRAME": 12, "FILTER": "r", "BUNIT": "nanomaggy"}
    columns = [
        fits.Column("ALLSKY", "64E", dim="(8,8)", array=np.full((1, 8, 8), 100.0)),
        fits.Column("XINTERP", f"{side}E", array=np.linspace(0, 7, side)[None]),
        fits.Column("YINTERP", f"{side}E", array=np.linspace(0, 7, side)[None]),
    ]
    parts = [fits.PrimaryHDU(_image(side), _tangential(**cards)), fits.ImageHDU(np.full(side, 0.005, "f4"))]
    fits.HDUList([*parts, fits.BinTableHDU.from_columns(columns)]).writeto(path)


def _frame(path: Path) -> object:
    """Pixels, calibration and sky of a frame."""
    frame = open_frame(path)
    return [frame.image, frame.calibration, frame.sky, frame.run, frame.field]


def _write_coadd(path: Path) -> None:
    """Patch of HSC."""
    planes = {"IMAGE": _image(), "MASK": np.zeros((16, 16), "i4"), "VARIANCE": np.ones((16, 16), "f4")}
    hdus = fits.HDUList(
        [fits.PrimaryHDU(), *(fits.ImageHDU(data, name=name) for name, data in planes.items())]
    )
    hdus["MASK"].header["HIERARCH MP_BAD"] = 0
    hdus["IMAGE"].header["FLUXMAG0"] = 6.3e10
    hdus.writeto(path)


def _coadd(path: Path) -> object:
    """Planes of a coadd."""
    coadd = open_coadd(path)
    return [coadd.image, coadd.variance, coadd.planes]


def _write_psfex(path: Path) -> None:
    """PSF model of PSFEx of degree 1."""
    cards = {"PSF_SAMP": 1.0, "POLNAXIS": 2, "POLNGRP": 1, "POLDEG1": 1, "POLGRP1": 1, "POLGRP2": 1,
             "POLNAME1": "X_IMAGE", "POLNAME2": "Y_IMAGE", "POLZERO1": 8.0, "POLZERO2": 8.0, "POLSCAL1": 16.0,
             "POLSCAL2": 16.0}  # fmt: skip
    images = np.stack([gaussian_psf(3.0, 11), np.zeros((11, 11)), np.zeros((11, 11))])[None]
    column = fits.Column("PSF_MASK", f"{images.size}E", dim="(11,11,3)", array=images)
    table = fits.BinTableHDU.from_columns([column], fits.Header(cards))
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def _psfex(path: Path) -> object:
    """Images of a PSF model."""
    model = open_psfex(path)
    return None if model is None else model.components


def _write_fits_stack(path: Path) -> None:
    """Stack of galaxies in FITS with its table."""
    cards = fits.Header({"BANDS": "r", "PIXSCALE": 0.396, "BUNIT": "nanomaggy", "PSF_FWHM": 1.3})
    places = Table({"ra": [10.0, 11.0], "dec": [1.0, 2.0], "galaxy_id": ["a", "b"]})
    images = np.stack([_image(), _image()])[:, None]
    fits.HDUList([fits.PrimaryHDU(images, cards), fits.table_to_hdu(places)]).writeto(path)


def _rows() -> list[dict]:
    """Two galaxies in the layout of the Multimodal Universe."""
    row = {"band": "sdss-r", "flux": _image().tolist(), "psf_fwhm": 1.3, "scale": 0.396}
    return [{"object_id": name, "image": [row], "ra": 10.0 + k, "dec": 1.0} for k, name in enumerate("ab")]


def _write_multimodal(path: Path) -> None:
    """File of HDF5 in the layout of the Multimodal Universe."""
    with h5py.File(path, "w") as file:
        file["object_id"], file["ra"], file["dec"] = ["a", "b"], [10.0, 11.0], [1.0, 2.0]
        file["image_array"] = np.stack([_image(), _image()])[:, None]
        file["image_band"] = [["sdss-r"], ["sdss-r"]]
        file["image_psf_fwhm"], file["image_scale"] = [[1.3], [1.3]], [[0.396], [0.396]]
        file.attrs["units"] = "nanomaggy"


def _stamps(path: Path) -> object:
    """Survey images, as `prepare` reads them."""
    stamps = read_stamps(path, ("r",), units="nanomaggy" if path.suffix == ".parquet" else "")
    return [(stamp.galaxy_id, stamp.problem, stamp.image, stamp.pixel_scale) for stamp in stamps]


def _write_ideal(path: Path) -> None:
    """Cube of two bands without atmosphere."""
    cards = {"FILTER0": "g", "FILTER1": "r", "BUNIT": "nanomaggy", "PIXSCALE": 0.1, "REDSHIFT": 0.05}
    fits.PrimaryHDU(np.abs(np.stack([_image(), _image()])), fits.Header(cards)).writeto(path)


def _ideal(path: Path) -> object:
    """Pixels of an ideal image."""
    image = read_ideal_image(path, bands="gr", unit="nanomaggy", pixel_scale=0.1, redshift=0.05)
    return [image.image, image.bands, image.pixel_scale]


def _write_bank(path: Path) -> None:
    """Bank of two patches of sky."""
    names = ("sky_sigma", "sky_level", "psf_fwhm", "electrons_per_nanomaggy", "nanomaggies_per_count")
    images, psfs = np.stack([_image(), _image()])[:, None], np.stack([gaussian_psf(3.0, 11)] * 2)[:, None]
    numbers = {name: np.full((2, 1), 1.2) for name in names}
    SkyBank(bands=("r",), image=images, psf=psfs, origin=np.array(["a", "b"]), **numbers).save(path)


def _bank(path: Path) -> object:
    """Pixels and numbers of a bank of sky."""
    bank = SkyBank.load(path)
    return [bank.image, bank.psf, bank.sky_sigma, bank.origin, bank.bands]


def _write_failures(path: Path) -> None:
    """Table of what failed."""
    write_table(Table({"name": ["a", "b"], "kind": ["input", "left out"], "reason": ["x", "y"]}), path)


def kinds() -> Iterator[tuple[str, Make]]:
    """Name and maker of each."""
    simulations = {
        "group catalogue of TNG": (write_tng_snapshot, "fof_subhalo*.hdf5", {"n_files": 1}),
        "chunk of EAGLE": (write_eagle_snapshot, "snap_*.0.hdf5", {"n_files": 2}),
        "group catalogue of EAGLE": (write_eagle_snapshot, "eagle_subfind_tab*.hdf5", {"n_files": 2}),
        "snapshot of SWIFT": (write_swift_snapshot, "toy_*.hdf5", {}),
        "catalogue of SWIFT": (write_swift_snapshot, "SOAP/*.hdf5", {}),
        "stars of RAMSES": (write_ramses_output, "part_*", {"n_cpu": 1}),
        "header of RAMSES": (write_ramses_output, "info_*.txt", {"n_cpu": 1}),
        "catalogue of RAMSES": (write_ramses_output, "tree_bricks*", {"n_cpu": 1}),
    }
    for name, (write, pattern, options) in simulations.items():
        yield name, _of_simulation(name, write, pattern, **options)
    psf = gaussian_psf(3.0, 21)
    alone = {
        "frame-r-000094-1-0012.fits": (_write_frame, _frame),
        "patch-r.fits": (_write_coadd, _coadd),
        "psf.fits": (lambda path: fits.PrimaryHDU(psf).writeto(path), open_psf),
        "model.psf": (_write_psfex, _psfex),
        "stack.fits": (_write_fits_stack, _stamps),
        "rows.parquet": (lambda path: pq.write_table(pa.Table.from_pylist(_rows()), path), _stamps),
        "rows.h5": (_write_multimodal, _stamps),
        "broadband.fits": (_write_ideal, _ideal),
        "bank.h5": (_write_bank, _bank),
        "failures.ecsv": (_write_failures, count_failures),
    }
    for name, (write, read) in alone.items():
        yield name, _alone(name, write, read)
