"""What flags mergers: structure score and asymmetry of pairs of galaxies, and of RealSim's mergers.

    python benchmarks/check_mergers.py DATA OUT

DATA holds ``simulated/``; runs are kept in OUT. Three Illustris-1 spirals are put beside one another, 5, 8
and 12 kpc apart on the sky of each of three views, and seen at redshift 0.1 in SDSS r; all are held
against the real galaxies of the shipped model at equal signal-to-noise and resolution.
"""

import argparse
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from mocks.galaxy import Galaxy, Stars
from mocks.readers import open_snapshot
from mocks.toys import write_tng_snapshot
from simcompare.commands.mock import make_mocks
from simcompare.commands.score import score_image_sets
from simcompare.scores.structure import STRUCTURE, conditions_of
from simcompare.settings import MockSettings, ScoreSettings
from simcompare.statistics.conditional import compress
from simcompare.statistics.structure import fit_reference

SPIRALS = (417175, 420815, 433516)
SEPARATIONS = (5.0, 8.0, 12.0)  # kpc
REDSHIFTS = (0.046, 0.1)  # RealSim's own, and that of the pairs
RARE = 0.05


def joined(first: Stars, second: Stars, shift: np.ndarray) -> Stars:
    """Stars of two galaxies, those of the second shifted [kpc]."""
    columns = {}
    for name in (field.name for field in fields(Stars)):
        pair = getattr(first, name), getattr(second, name)
        is_array = all(isinstance(each, np.ndarray) for each in pair)
        columns[name] = np.concatenate(pair) if is_array else None
    columns["position"] = np.concatenate([first.position, second.position + shift])
    return replace(first, **columns)


def galaxies(data: Path) -> tuple[list[Galaxy], list[Galaxy]]:
    """Three galaxies, and all pairs of them at all separations; the shift is as wide from x, y and z."""
    folder = data / "simulated" / "illustris1_snap135_m31_analogs"
    alone = [open_snapshot(folder / f"cutout_{number}.hdf5").read(number) for number in SPIRALS]
    size = {"half_mass_radius": 8.0}  # kpc; only written to the catalogue
    alone = [replace(each, subhalo_id=k, properties=each.properties | size) for k, each in enumerate(alone)]
    pairs = []
    for first, second in combinations(alone, 2):
        for separation in SEPARATIONS:
            stars = joined(first.stars, second.stars, np.full(3, separation / np.sqrt(2)))
            pairs.append(replace(first, stars=stars, subhalo_id=len(pairs)))
    return alone, pairs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    sets = {}
    for name, made in zip(("alone", "pairs"), galaxies(options.data), strict=True):
        sets[name] = write_tng_snapshot(options.out / "snapshots" / name, made, n_files=1), 0.1, "x,y,z"
    for redshift in REDSHIFTS:
        folder = options.data / "simulated" / "realsim_merger_skirt_sdss"
        sets[f"RealSim at {redshift}"] = folder, redshift, "1"
    for name, (path, redshift, views) in sets.items():
        out = options.out / "images" / name
        make_mocks(
            MockSettings(
                inputs=[path], out=out, name=name, redshift=redshift, views=views, bands="r", size=64
            )
        )
    scores = score_image_sets(
        ScoreSettings(
            images=[options.out / "images" / name for name in sets],
            out=options.out / "scores",
            model="sdss-r",
        )
    )
    conditions, dataset = conditions_of(scores), np.asarray(scores["dataset"]).astype(str)
    real = scores.equals("dataset", scores.named_reference)
    for number, values in (
        ("structure", compress(scores.numbers(STRUCTURE))),
        ("asymmetry", scores.numbers("measured_asymmetry")),
    ):
        known = np.isfinite(np.column_stack([values, conditions])).all(axis=1)
        rows = real & known
        unknown = np.full(rows.sum(), np.nan), np.full((rows.sum(), 2), np.nan)
        reference = fit_reference(values[rows], conditions[rows], *unknown, np.random.default_rng(0))
        z = reference.model.z(values, conditions)
        rare = np.quantile(z[rows], 1 - RARE)
        for name in sets:
            own = (dataset == name) & known
            galaxy = np.unique(np.asarray(scores["galaxy_id"])[own], return_inverse=True)[1]
            weight = np.bincount(galaxy)
            means = [np.bincount(galaxy, each) / weight for each in (z[own], *conditions[own].T)]
            test = reference.test(means[0], np.column_stack(means[1:]))
            print(
                f"{number}, {name}: {len(weight)} galaxies, mean z {means[0].mean():.2f}, p "
                f"{test.p_value:.1e}, {np.sum(z[own] >= rare)} of {own.sum()} images are rare"
            )


if __name__ == "__main__":
    main()
