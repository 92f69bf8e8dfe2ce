"""How far the answer can be trusted: false alarms, power, recovered fractions and coverage on real galaxies.

    python benchmarks/bench_power.py IMAGES TWINS --model sdss-r [--draws 200] [--out power.ecsv]

IMAGES is a prepared set of real galaxies and TWINS its Sersic twins (``simcompare prepare``, ``simcompare
twins``); ``--seen SET`` names the set that the model was trained on, whose galaxies are left out (a model of
several folds knows its galaxies: give none). ``--scores FILE.npz`` keeps the scores for another look. In a
draw M galaxies are the reference and N others the data set, untouched or with a defect of
``benchmarks/defects.py``. Printed: the share of draws with p < 0.05 of the structure score, of the mean ratio
(Welch) and of its AUC (Mann-Whitney); the median structure fraction and its interval; and the same for real
subsets (bright, faint, one source, one field). Nothing simulated enters.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from defects import DEFECTS, parts_of, with_defect
from scipy import stats

from mocks import stream
from simcompare.data.shipped import default_background
from simcompare.images.image_set import ImageSet
from simcompare.models.storage import load_model
from simcompare.scores.likelihood import score
from simcompare.scores.structure import STRUCTURE, conditions_of
from simcompare.statistics.conditional import compress
from simcompare.statistics.fields import group_fields, join_fields
from simcompare.statistics.structure import StructureReference, fit_reference

N_GALAXIES = (5, 10, 30, 100)


class Changed:
    """An image set with other pixels and sizes."""

    def __init__(self, images: ImageSet, pixels: np.ndarray, radii: np.ndarray) -> None:
        self._images, self._pixels, self.catalogue = images, pixels, images.catalogue.copy()
        self.catalogue["half_light_radius"] = radii

    def __getattr__(self, name: str) -> object:
        return getattr(self._images, name)

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, n: int):
        """Yield the pixels as `ImageSet.batches` does."""
        for start in range(0, len(self), n):
            stack = self._images.read(slice(start, start + n))
            yield replace(stack, image=self._pixels[start : start + n])


def scored(images: ImageSet, model: object, background: object) -> dict[str, np.ndarray]:
    """Compressed score, conditions and ratio of each galaxy."""
    scores = score(images, model, background, warn=False)
    return {
        "compressed": compress(scores.numbers(STRUCTURE)),
        "conditions": conditions_of(scores),
        "ratio": scores.numbers("log_likelihood_ratio"),
        "galaxy_id": scores["galaxy_id"],
        "places": np.column_stack([scores.numbers("ra"), scores.numbers("dec")]),
    }


def gather(images: ImageSet, twins: ImageSet, model: object, background: object) -> dict[str, dict]:
    """Scores of real galaxies, of their twins in the same order, and of every defect."""
    scores = {"twins": scored(twins, model, background)}
    parts = [parts_of(images, i) for i in range(len(images))]
    for name in DEFECTS:
        scores[name] = scored(Changed(images, *with_defect(images, parts, name)), model, background)
        print(f"scored: {name}", flush=True)
    place = {name: i for i, name in enumerate(scores["twins"]["galaxy_id"].tolist())}
    order = [place[name] for name in scores["none"]["galaxy_id"].tolist()]
    scores["twins"] = {name: values[order] for name, values in scores["twins"].items()}
    return scores


def kept(path: Path | None) -> dict[str, dict]:
    """Scores that an earlier call kept; none where there is no file."""
    columns = {}
    for key, values in np.load(path).items() if path and path.is_file() else ():
        kind, name = key.split("|")
        columns.setdefault(kind, {})[name] = values
    return columns


def reference_of(found: dict[str, dict], rows: np.ndarray, rng: np.random.Generator) -> StructureReference:
    """Make a reference of some of the real galaxies."""
    real, twins = found["none"], found["twins"]
    return fit_reference(
        real["compressed"][rows], real["conditions"][rows],
        twins["compressed"][rows], twins["conditions"][rows], rng, group_fields(*real["places"][rows].T),
    )  # fmt: skip


def draws(
    found: dict[str, dict],
    names: list[str],
    m: int,
    n: int,
    n_draws: int,
    subset: np.ndarray | None = None,
    unseen: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Judge n galaxies of each kind against m others, many times; shape (n_draws, 7) by kind.

    The galaxies are drawn from ``subset``; those ``unseen`` are never in the reference.
    """
    total = len(found["none"]["ratio"])
    results = {name: [] for name in names}
    for number in range(n_draws):
        rng = stream(0, "power", m, n, number)
        order = rng.permutation(total)
        chosen = order[:n] if subset is None else order[subset[order]][:n]
        others = np.setdiff1d(order, chosen, assume_unique=True)
        others = others if unseen is None else others[~unseen[others]]
        others = others[rng.permutation(len(others))][:m]
        reference = reference_of(found, others, rng)
        real, places = found["none"]["ratio"][others], found["none"]["places"]
        fields = join_fields(*places[chosen].T, *places[others].T, reference.fields)
        for name in names:
            each = {key: values[chosen] for key, values in found[name].items()}
            z = reference.model.z(each["compressed"], each["conditions"])
            test = reference.test(z, each["conditions"], fields=fields)
            results[name].append(
                (
                    test.p_value, test.fraction, test.low, test.high,
                    stats.ttest_ind(each["ratio"], real, equal_var=False).pvalue,
                    stats.mannwhitneyu(each["ratio"], real).pvalue,
                    reference.model.is_outside(each["conditions"]).mean(),
                )
            )  # fmt: skip
    return {name: np.array(rows) for name, rows in results.items()}


def row(label: str, m: int, n: int, found: np.ndarray) -> dict:
    """One line of the table."""
    structure, fraction, low, high, mean, rank, outside = found.T
    return {
        "data set": label, "M": m, "N": n, "structure": np.mean(structure < 0.05),
        "p<0.01": np.mean(structure < 0.01), "mean ratio": np.mean(mean < 0.05), "AUC": np.mean(rank < 0.05),
        "f": np.median(fraction), "low": np.median(low), "high": np.median(high),
        "holds 1": np.mean((low <= 1) & (high >= 1)), "outside": outside.mean(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("twins", type=Path)
    parser.add_argument("--model", default="sdss-r")
    parser.add_argument("--background")
    parser.add_argument("--seen", type=Path, help="image set that the model was trained on")
    parser.add_argument("--where", help="galaxies that are drawn from, as \"source != 'sdss-r-spirals.h5'\"")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--scores", type=Path, help="npz file that keeps the scores; read if it is there")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    images, twins = image_sets(options)
    found = kept(options.scores)
    if not found:
        background = load_model(options.background or default_background(options.model))
        found = gather(images, twins, load_model(options.model), background)
    if options.scores and not options.scores.is_file():
        np.savez(
            options.scores, **{f"{kind}|{name}": found[kind][name] for kind in found for name in found[kind]}
        )
    rows = [*of_defects(found, len(images), options.draws), *of_subsets(found, images, options.draws)]
    rows += of_fields(found, len(images))
    table = Table(rows=rows)
    for name in table.colnames[3:]:
        table[name].info.format = ".3f"
    print("\n".join(table.pformat(max_width=-1, max_lines=-1)))
    if options.out:
        table.write(options.out, overwrite=True)


def image_sets(options: argparse.Namespace) -> tuple[ImageSet, ImageSet]:
    """Real images that have a twin and were not learned from, and the twins."""
    images, twins = ImageSet.open(options.images), ImageSet.open(options.twins)
    seen = set()
    if options.seen:
        catalogue = ImageSet.open(options.seen).catalogue
        seen = set(catalogue["galaxy_id"][catalogue["split"] != "test"].tolist())
    keep = [[name not in seen for name in each.catalogue["galaxy_id"].tolist()] for each in (images, twins)]
    images, twins = images.subset(np.array(keep[0])), twins.subset(np.array(keep[1]))
    images = images.select(options.where) if options.where else images
    has_twin = np.isin(images.catalogue["galaxy_id"], twins.catalogue["galaxy_id"])
    return images.subset(has_twin), twins


def of_defects(found: dict, total: int, n_draws: int) -> list[dict]:
    """Power against twins and each defect, and the rate of false alarms, by the numbers of galaxies."""
    rows = []
    for m, n in ((80, 10), (80, 50), (80, 100), (total - 100, 100)):
        for name, each in draws(found, ["twins", *DEFECTS], m, n, n_draws).items():
            rows.append(row(name, m, n, each))
    for n in N_GALAXIES:
        rows.append(row("real", 80, n, draws(found, ["none"], 80, n, 3 * n_draws)["none"]))
    return rows


def of_subsets(found: dict, images: ImageSet, n_draws: int) -> list[dict]:
    """Rate of false alarms of real galaxies that are bright, faint, or from one file."""
    bright = found["none"]["conditions"][:, 0]
    subsets = {"bright half": bright > np.median(bright), "faint half": bright < np.median(bright)}
    source = images.catalogue["source"]
    subsets |= {str(each): source == each for each in np.unique(source) if (source == each).sum() >= 40}
    return [
        row(label, 80, n, draws(found, ["none"], 80, n, n_draws, subset)["none"])
        for label, subset in subsets.items()
        for n in (10, 30)
    ]


def of_fields(found: dict, total: int) -> list[dict]:
    """Rate of false alarms of real galaxies of one field that the reference has not seen."""
    fields, rows = group_fields(*found["none"]["places"].T), []
    large = [fields == each for each in np.unique(fields) if (fields == each).sum() >= 20]
    for n in (10, 20):
        each = [draws(found, ["none"], total, n, 20, field, field)["none"] for field in large]
        rows.append(row(f"one of {len(large)} unseen fields", total, n, np.concatenate(each)))
    whole = [draws(found, ["none"], total, total, 1, field, field)["none"] for field in large]
    print(
        "unseen fields, whole:",
        *(f"{field.sum()} p={each[0, 0]:.4f}" for field, each in zip(large, whole, strict=True)),
    )
    return rows


if __name__ == "__main__":
    main()
