"""Numbers of the simulated files at hand, by our readers and without them.

The independent column comes from h5py, numpy and scipy: units as the releases' papers state them, ages
from the closed form of a flat universe, births in RAMSES files from an integral, catalogues where there are
any.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from check_rows import Row
from scipy.integrate import quad
from scipy.io import FortranFile
from scipy.spatial import KDTree

from mocks import Scene, project
from mocks.readers import open_snapshot, read_ideal_image

__all__ = ["simulated_rows"]

GYR_OF_HUBBLE = 977.7922  # of 1 / (1 km/s/Mpc)
MSUN = 1.98841e33  # g, IAU 2015
AB_SKIRT = {
    "g": 25.952,
    "r": 25.943,
    "i": 25.503,
    "z": 23.564,
}  # V. Rodriguez-Gomez, TNG data forum, topic 304


@dataclass(frozen=True)
class Extract:
    """One galaxy in one HDF5 file, and what the papers of its release say of its units."""

    path: str
    h: float
    omega_m: float
    a: float
    length: float  # kpc of one unit, before a
    mass: float  # Msun of one unit
    birth: str = "StellarFormationTime"
    masses: str = "Mass"
    initial: str | None = "InitialMass"
    scale: bool = True  # whether lengths are comoving
    radius: float | None = 0.03  # how well two ways of finding the centre agree on the half-mass radius


TNG = {"birth": "GFM_StellarFormationTime", "masses": "Masses", "initial": "GFM_InitialMass"}
ILLUSTRIS = {"birth": "GFM_StellarFormationTime", "masses": "Masses", "initial": None}
EXTRACTS = (
    Extract(
        "tng100_sub565261_z0/cutout_stars_565261.hdf5", 0.6774, 0.3089, 1, 1 / 0.6774, 1e10 / 0.6774, **TNG
    ),
    Extract(
        "tng100_sub9_snap78_subsample/SimSpin_example_IllustrisTNG.hdf5",
        0.6774, 0.3089, 1 / 1.2977177, 1 / 0.6774, 1e10 / 0.6774, **TNG, radius=None,
    ),
    *(
        Extract(
            f"illustris1_snap135_m31_analogs/cutout_{number}.hdf5",
            0.704, 0.2726, 1, 1 / 0.704, 1e10 / 0.704, **ILLUSTRIS,
        )
        for number in (417175, 420815, 433516)
    ),
    Extract(
        "eagle_gn92_sgn9_snap28/SimSpin_example_EAGLE_full.hdf5",
        0.6777, 0.307, 1, 1e3 / 0.6777, 1e10 / 0.6777,
    ),
    Extract(
        "eagle_snap25_subsample/SimSpin_example_EAGLE.hdf5",
        0.6777, 0.307, 0.7868433, 1e3 / 0.6777, 1e10 / 0.6777, radius=0.06,
    ),
    Extract(
        "horizonagn_galaxy_subsample/SimSpin_example_HorizonAGN.hdf5",
        0.704, 0.272, 0.98233357, 1, 1, scale=False, radius=0.06,
    ),
    Extract(
        "colibre_galaxy_snap127/SimSpin_example_Colibre.hdf5",
        0.681, 0.306, 1, 1e3, 1e10, "BirthScaleFactors", "Masses", "InitialMasses",
    ),
    Extract(
        "magneticum_galaxy_snap112_subsample/SimSpin_example_Magneticum.hdf5",
        0.704, 0.272, 0.77342265, 1 / 0.704, 1e10 / 0.704,
    ),
)  # fmt: skip


def age_of_flat_universe(a: np.ndarray, h: float, omega_m: float) -> np.ndarray:
    """Age at a scale factor [Gyr], matter and a cosmological constant alone."""
    omega_l = 1 - omega_m
    root = np.sqrt(omega_l / omega_m * np.asarray(a, float) ** 3)
    return 2 / (3 * np.sqrt(omega_l)) * GYR_OF_HUBBLE / (100 * h) * np.arcsinh(root)


def half_mass_radius(position: np.ndarray, mass: np.ndarray) -> float:
    """Radius of half the mass about where a sixteenth of the stars is closest together, lengths as given."""
    tree, neighbours = KDTree(position), len(position) // 16
    reach = tree.query(position, neighbours)[0][:, -1]
    centre = np.average(position[tree.query(position[np.argmin(reach)], neighbours)[1]], axis=0)
    distance = np.linalg.norm(position - centre, axis=1)
    order = np.argsort(distance)
    return float(distance[order][np.searchsorted(np.cumsum(mass[order]), mass.sum() / 2)])


def _extract_rows(folder: Path, what: Extract) -> Iterator[Row]:
    with h5py.File(folder / what.path) as file:
        group = file["PartType4"]
        birth, mass, position = (group[n][()].astype(float) for n in (what.birth, what.masses, "Coordinates"))
        initial = None if what.initial is None else group[what.initial][()].astype(float)
    star = birth > 0
    mass, position = what.mass * mass[star], what.length * (what.a if what.scale else 1) * position[star]
    age = age_of_flat_universe(what.a, what.h, what.omega_m) - age_of_flat_universe(
        birth[star], what.h, what.omega_m
    )
    snapshot = open_snapshot(folder / what.path)
    galaxy = snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]))
    stars, name, direct = galaxy.stars, what.path.split("/")[0], "h5py, units by hand"
    if "m31" in name:
        name += f" {galaxy.subhalo_id}"
    yield Row(name, "stars", len(stars), star.sum(), 0, "datasets counted, birth time above 0")
    yield Row(name, "stellar mass [Msun]", stars.mass.sum(), mass.sum(), 1e-3, direct, True)
    if initial is not None:
        total = what.mass * initial[star].sum()
        yield Row(name, "initial mass [Msun]", stars.initial_mass.sum(), total, 1e-3, direct, True)
    yield Row(
        name, "mean age [Gyr]", float(np.average(stars.age, weights=stars.mass)),
        float(np.average(age, weights=mass)), 0.01, "closed form, flat universe",
    )  # fmt: skip
    if what.radius is None:  # no concentration: 82 to 132 kpc, by which of its knots is the centre
        return
    yield Row(
        name, "half-mass radius [kpc]", galaxy.properties["half_mass_radius"],
        half_mass_radius(position, mass), what.radius,
        "sorted distances from the densest sixteenth of the stars", True,
    )  # fmt: skip


def _tng_catalogue_rows(folder: Path) -> Iterator[Row]:
    """TNG100-1 565261 against the row of its merger tree, which is the group catalogue's."""
    with h5py.File(folder / "tng100_sub565261_z0" / "sublink_mpb_565261.hdf5") as file:
        photometry = file["SubhaloStellarPhotometrics"][0, 4:].astype(float)  # g r i z
        length, mass, centre = (file[f"Subhalo{name}"][0] for name in ("HalfmassRadType", "MassType", "Pos"))
        n_stars = file["SubhaloLenType"][0, 4]
    path = folder / "tng100_sub565261_z0" / "cutout_stars_565261.hdf5"
    galaxy = open_snapshot(path, centre=tuple(map(float, centre))).read(565261)
    name, how = "tng100_sub565261_z0", "group catalogue of the release"
    yield Row(name, "stars", len(galaxy.stars), n_stars, 0, how + ", LenType")
    yield Row(name, "stellar mass [Msun]", galaxy.stars.mass.sum(), mass[4] * 1e10 / 0.6774, 1e-5, how, True)
    yield Row(
        name,
        "half-mass radius [kpc]",
        galaxy.properties["half_mass_radius"],
        length[4] / 0.6774,
        0.01,
        how,
        True,
    )
    ideal = project(
        galaxy, "sdss", "griz", Scene(redshift=0.04, view="z", population="snapshot", dust="none")
    )
    inverse = lambda z: 1 / np.sqrt(0.3089 * (1 + z) ** 3 + 0.6911)  # noqa: E731
    luminosity_distance = 1.04 * 299792.458 / 67.74 * quad(inverse, 0, 0.04)[0]  # Mpc
    modulus = 5 * np.log10(luminosity_distance * 1e5)
    for band, absolute in zip("griz", photometry, strict=True):
        yield Row(
            name, f"{band} at z = 0.04, own photometry [mag]", ideal.metadata["magnitude"][band],
            absolute + modulus, 0.01, how + ", StellarPhotometrics, and an integrated distance",
        )  # fmt: skip
        light = 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2)) + ideal.flux_outside)
        yield Row(
            name, f"{band}, summed over the ideal image [mag]", light["griz".index(band)],
            absolute + modulus, 0.01, how + ", StellarPhotometrics, and an integrated distance",
        )  # fmt: skip
    near = project(
        galaxy,
        "sdss",
        "griz",
        Scene(redshift=1e-4, view="z", population="bc03:imf=chabrier,nebular=no", dust="none"),
    )
    near_modulus = 5 * np.log10(1.0001 * 299792.458 / 67.74 * quad(inverse, 0, 1e-4)[0] * 1e5)
    for band, absolute in zip("griz", photometry, strict=True):
        yield Row(
            name, f"absolute {band}, bc03 without gas, Chabrier [mag]",
            near.metadata["magnitude"][band] - near_modulus, absolute, 0.03,
            how + ": BC03, Padova 1994, Chabrier; tells the mass-to-light ratio",
        )  # fmt: skip


def _camels_rows(folder: Path) -> Iterator[Row]:
    """Ten galaxies whose stars follow one another in the file."""
    folder = folder / "camels_tng_cv0_snap086"
    with h5py.File(folder / "camels_subhalo.hdf5") as file:
        counts, centres = file["Subhalo/SubhaloLenType"][:, 4], file["Subhalo/SubhaloPos"][()].astype(float)
    with h5py.File(folder / "camels_snap.hdf5") as file:
        group = file["PartType4"]
        birth, mass = group["GFM_StellarFormationTime"][()].astype(float), group["Masses"][()].astype(float)
        position = group["Coordinates"][()].astype(float)
    snapshot = open_snapshot(folder)
    table = snapshot.catalogue()
    galaxies = [snapshot.read(int(number)) for number in table["subhalo_id"]]
    pieces = np.split(np.arange(len(mass)), np.cumsum(counts)[:-1])
    name = "camels_tng_cv0_snap086"
    yield Row(name, "galaxies", len(galaxies), np.count_nonzero(counts), 0, "LenType above 0")
    masses = [1e10 / 0.6711 * mass[piece][birth[piece] > 0].sum() for piece in pieces]
    ages = age_of_flat_universe(0.909047, 0.6711, 0.3) - age_of_flat_universe(birth, 0.6711, 0.3)
    for galaxy, piece, total, centre in zip(galaxies, pieces, masses, centres, strict=True):
        label = f"{name} {galaxy.subhalo_id}"
        yield Row(
            label, "stellar mass [Msun]", galaxy.stars.mass.sum(), total, 1e-4,
            "h5py, rows by running sums of LenType", True,
        )  # fmt: skip
        offset = position[piece] - centre
        offset -= 25e3 * np.round(offset / 25e3)
        distance = np.linalg.norm(offset, axis=1) * 0.909047 / 0.6711
        order = np.argsort(distance)
        half = np.searchsorted(np.cumsum(mass[piece][order]), mass[piece].sum() / 2)
        yield Row(
            label, "half-mass radius [kpc]",
            galaxy.properties["half_mass_radius"], distance[order][half], 0.02,
            "sorted distances from SubhaloPos, box wrapped", True,
        )  # fmt: skip
        yield Row(
            label, "mean age [Gyr]", float(np.average(galaxy.stars.age, weights=galaxy.stars.mass)),
            float(np.average(ages[piece], weights=mass[piece])), 0.01, "closed form, flat universe",
        )  # fmt: skip


def _ramses_arrays(output: Path, families: bool) -> tuple[np.ndarray, np.ndarray]:
    """Code masses and conformal birth times of the stars, by scipy's reader of Fortran records."""
    arrays = []
    for path in sorted(output.glob("part_*.out*")):
        with FortranFile(path) as file:
            for _ in range(8):
                file.read_record("u1")
            reals = [file.read_reals("f8") for _ in range(7)]  # x y z vx vy vz mass
            file.read_ints("i4"), file.read_ints("i4")  # id, level
            family = file.read_record("i1") if families else None
            if families:
                file.read_record("i1")
            birth = file.read_reals("f8")
        star = family == 2 if families else birth != 0
        arrays.append((reals[6][star], birth[star]))
    return tuple(np.concatenate(part) for part in zip(*arrays, strict=True))


def _conformal(a: float, omega_m: float) -> float:
    """Give the derivative of the conformal time by the scale factor, in a flat universe."""
    return 1 / (a**3 * np.sqrt(omega_m * a**-3 + 1 - omega_m))


def _ramses_rows(folder: Path) -> Iterator[Row]:
    for name, number, families in (("ramses_mini_oldformat", 6, False), ("ramses_mini_newformat", 7, True)):
        output = folder / name / f"output_{number:05d}"
        info = dict(
            line.split("=", 1)
            for line in (output / f"info_{number:05d}.txt").read_text().splitlines()
            if "=" in line
        )
        value = {key.strip(): text for key, text in info.items()}
        a, h, omega_m = float(value["aexp"]), float(value["H0"]) / 100, float(value["omega_m"])
        mass, birth = _ramses_arrays(output, families)
        total = mass.sum() * float(value["unit_d"]) * float(value["unit_l"]) ** 3 / MSUN
        # d tau = H0 dt / a^2, tau = 0 today; t of tau by a table of 4000 scale factors.
        steps = np.geomspace(0.01, 1, 4000)
        pieces = [quad(_conformal, *edge, args=(omega_m,))[0] for edge in pairwise(steps)]
        tau = -np.append(np.cumsum(pieces[::-1])[::-1], 0)
        age = age_of_flat_universe(a, h, omega_m) - age_of_flat_universe(
            np.interp(birth, tau, steps), h, omega_m
        )
        snapshot = open_snapshot(folder / name)
        stars = snapshot.read_region(np.zeros(3), 2 * snapshot.box_size).stars
        how = "scipy's FortranFile"
        yield Row(name, "stars", len(stars), len(mass), 0, how)
        yield Row(name, "stellar mass [Msun]", stars.mass.sum(), total, 1e-4, how, True)
        yield Row(name, "mean age [Gyr]", stars.age.mean(), age.mean(), 0.001, "conformal time integrated")
        yield Row(name, "oldest star [Gyr]", stars.age.max(), age.max(), 0.001, "conformal time integrated")


def _image_rows(folder: Path) -> Iterator[Row]:
    """Ready-made images: magnitudes are sums over pixels."""
    for path in sorted((folder / "illustris1_skirt_sdss_snap135").glob("*.fits")):
        counts = fits.getdata(path).astype(float).sum(axis=(1, 2))
        ideal = read_ideal_image(path)
        ours = 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2)))
        for band, total in zip("griz", counts, strict=True):
            yield Row(
                path.stem, f"{band} [mag]",
                ours[ideal.bands.index(band)], AB_SKIRT[band] - 2.5 * np.log10(total),
                1e-3, "sum of counts, zero point of the images' author",
            )  # fmt: skip
        yield Row(path.stem, "pixel [arcsec]", ideal.pixel_scale, 0.396, 1e-4, "PIXSCALE and the README")
    for number in (214, 346):
        for band in "gri":
            path = (
                folder
                / "realsim_merger_skirt_sdss"
                / f"photo_{band}_CNN_G2G3_e-orbit_1_{number}_i0_total.fits.gz"
            )
            brightness = fits.getdata(path).astype(float)
            header = fits.getheader(path)
            # E(z) of h = 0.7, omega_m = 0.3, as RealSim takes it
            distance = (
                299792.458 / 70 * quad(lambda z: (0.3 * (1 + z) ** 3 + 0.7) ** -0.5, 0, header["REDSHIFT"])[0]
            )
            side = header["CDELT1"] / (distance * 1e6 / (1 + header["REDSHIFT"])) * 180 / np.pi * 3600
            ideal = read_ideal_image(path)
            total = -2.5 * np.log10(np.sum(10 ** (-0.4 * brightness)) * side**2)
            yield Row(
                f"realsim_merger {number}", f"{band} [mag]",
                22.5 - 2.5 * np.log10(ideal.image.sum()), total, 0.01,
                "10^(-0.4 mu) summed, pixels of CDELT1 pc at REDSHIFT",
            )  # fmt: skip


def simulated_rows(data: Path) -> list[Row]:
    """Compare all simulated files.

    Parameters
    ----------
    data : Path
        Folder that holds ``simulated``.
    """
    folder = Path(data) / "simulated"
    rows = [row for what in EXTRACTS for row in _extract_rows(folder, what)]
    for part in (_tng_catalogue_rows, _camels_rows, _ramses_rows, _image_rows):
        rows += part(folder)
    return rows
