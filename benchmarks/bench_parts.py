"""False alarms and power of the parts of a comparison: scales, bins, pairs, more conditions.

    python benchmarks/bench_parts.py IMAGES TWINS SCORES [--where CUT] [--draws 100]

IMAGES, real galaxies, and TWINS are those of ``bench_power.py``; SCORES is a folder that keeps a score table
for each defect (made in some minutes; a rerun goes on where it was cut off). In a draw N galaxies, untouched
or with a defect, are a simulation, and all others the reference. Printed: the share of draws with p < 0.05 of
what ``compare`` tells of it, through the functions that ``compare`` calls; and the median ratio of the mean z
of the two coarsest scales to that of the two finest, where some scale departs.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from bench_power import Changed
from defects import MORE, parts_of, with_defect

from mocks import stream
from simcompare.comparison.fractions import adjusted_fractions, fractions_in_bins, matched_fractions
from simcompare.comparison.structure_parts import structure_by_part
from simcompare.data.shipped import default_background
from simcompare.images.image_set import ImageSet
from simcompare.models.storage import load_model
from simcompare.scores.files import read_blocks, write_blocks
from simcompare.scores.joining import stack_scores
from simcompare.scores.likelihood import score
from simcompare.scores.record import Scores
from simcompare.scores.structure import learn_structure

DEFECTS = (
    "none", "structure x 0.5", "blurred by 1.0 arcsec", "noise of 1e3 particles", "noise of 1e4 particles",
    "five clumps of 2 %", *MORE,
)  # fmt: skip
NUISANCES = ("mag_r", "sky_sigma_r", "psf_fwhm_r", "half_light_radius")
NUMBERS = (5, 10, 30, 60, 100)


def scored(path: Path, images: object, model: object, background: object) -> Scores:
    """Scores as a file keeps them; made where there is none."""
    if not path.is_file():
        write_blocks([score(images, model, background, warn=False)], path)
    return stack_scores(list(read_blocks(path)))


def as_dataset(scores: Scores, name: str, kind: str) -> Scores:
    """Give the scores another name and kind."""
    n = len(scores)
    return scores.with_columns(dataset=np.full(n, name), kind=np.full(n, kind), split=np.full(n, "test"))


def comparisons(
    real: Scores, twins: Scores, changed: dict[str, Scores], n: int, n_draws: int
) -> Iterator[tuple[str, Scores]]:
    """Yield n galaxies with each defect as a simulation, and all others with their twins, many times."""
    twin_at = {name: k for k, name in enumerate(twins["galaxy_id"].tolist())}
    for number in range(n_draws):
        order = stream(0, "parts", n, number).permutation(len(real))
        chosen, others = order[:n], order[n:]
        reference = real[others]
        theirs = twins[np.array([twin_at[name] for name in reference["galaxy_id"].tolist()])]
        for name, defective in changed.items():
            parts = [reference, theirs, as_dataset(defective[chosen], "simulation", "simulated")]
            yield name, replace(stack_scores(parts), reference="real")


def told(scores: Scores) -> dict[str, float]:
    """Compare, and give the p-values of the simulation and how its scales differ."""
    structure = learn_structure(scores, stream(0, "structure folds"))
    parts = structure_by_part(scores, ["simulation"], 0)
    scales = parts[np.asarray(parts["part"]) == "scale"]
    z = np.asarray(scales["structure_z_weighted"], float)
    magnitude = scores.reference_sample().numbers("mag_r")
    tables = {
        "bright half": fractions_in_bins(scores, structure, "mag_r", [-np.inf, np.median(magnitude)]),
        "pairs": matched_fractions(scores, structure, ["snr", "half_light_radius"]),
        "more conditions": adjusted_fractions(scores, structure, NUISANCES, 0),
    }
    simulation = {name: table[np.asarray(table["dataset"]) == "simulation"] for name, table in tables.items()}
    return {
        "any scale": np.min(scales["p_holm"]),
        **{name: float(rows["p_value"][0]) for name, rows in simulation.items()},
        "coarse over fine": z[-2:].mean() / z[:2].mean() if np.min(scales["p_holm"]) < 0.05 else np.nan,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("twins", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--model", default="sdss-r")
    parser.add_argument("--where", help="galaxies that are drawn from, as \"source != 'sdss-r-spirals.h5'\"")
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    model, background = load_model(options.model), load_model(default_background(options.model))
    images, twins = ImageSet.open(options.images), ImageSet.open(options.twins)
    images = images.select(options.where) if options.where else images
    images = images.subset(np.isin(images.catalogue["galaxy_id"], twins.catalogue["galaxy_id"]))
    options.scores.mkdir(parents=True, exist_ok=True)
    of_twins = scored(options.scores / "twins.parquet", twins, model, background)
    parts = [parts_of(images, i) for i in range(len(images))]
    changed = {}
    for name in DEFECTS:
        path = options.scores / f"{name.replace(' ', '-')}.parquet"
        pixels = images if path.is_file() else Changed(images, *with_defect(images, parts, name))
        changed[name] = scored(path, pixels, model, background)
        print(f"scored: {name}", flush=True)
    real = as_dataset(changed["none"], "real", "observed")
    rows = []
    for n in NUMBERS:
        answers = {name: [] for name in DEFECTS}
        for name, scores in comparisons(
            real, as_dataset(of_twins, "twins", "twins"), changed, n, options.draws
        ):
            answers[name].append(told(scores))
        for name, each in answers.items():
            table = Table(rows=each)
            *tests, ratio = table.colnames
            shares = {key: np.mean(table[key] < 0.05) for key in tests}
            rows.append({"N": n, "data set": name} | shares | {ratio: np.nanmedian(table[ratio])})
        print(f"compared: N = {n}", flush=True)
    table = Table(rows=rows)
    for name in table.colnames[2:]:
        table[name].info.format = ".2f"
    print("\n".join(table.pformat(max_width=-1, max_lines=-1)))


if __name__ == "__main__":
    main()
