"""Train the flows that come with the package, on samples made by ``build_sdss_sample.py``.

    python benchmarks/train_shipped.py <samples> <work> --install simcompare/data/models

With ``--folds 3`` the flows are cross-fitted: the galaxies are dealt into folds by place, their twins with
them, and each fold gets a pair of flows that learned from the other folds alone. Every galaxy is then held
out once.

With ``--reference`` nothing is trained: galaxies of larger samples that the installed flows have not learned
from, and their twins, are scored anew and replace the tables that simulations are held against.

For each name a flow of real galaxies is trained, then that of their Sersic twins from it, so that both share
what they know of the noise; where the first had not learnt all of it, it is trained on for as long. Galaxies
that neither has seen give the numbers of the card and the table that simulations are held against. A run that
was interrupted goes on; ``--install`` copies the models. ``--names sdss-rgb`` trains on pictures, a flow that
is not shipped: most of its ratio lies in details finer than the PSF, and its twins are too easily told.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import vstack
from scipy.stats import mannwhitneyu

from flows import FlowConfig, FlowModel, TrainingConfig, train
from simcompare.commands.train import train_model
from simcompare.data.shipped import HELD_OUT
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.images.morphology import MORPHOLOGY
from simcompare.images.splits import deal_folds
from simcompare.models.card import model_card
from simcompare.models.cross_fitted import CrossFitted
from simcompare.models.density import context_of
from simcompare.models.storage import MODEL, default_config, load_model, model_hash, model_metadata
from simcompare.scores.bare_sky import SkyDensity
from simcompare.scores.files import write_blocks
from simcompare.scores.likelihood import score
from simcompare.scores.record import Scores
from simcompare.settings import TrainSettings

SAMPLES = {"sdss-r": "r", "sdss-gri": "gri", "sdss-rgb": "rgb"}
EPOCHS = {"sdss-r": (80, 0, 30), "sdss-gri": (40, 30, 30), "sdss-rgb": (30, 0, 8)}  # first, real, twins
CONFIGS = {"sdss-rgb": FlowConfig(n_bands=3, pixels="rgb", widths=(16, 32, 64), steps=(2, 3, 4))}
BATCH = {"sdss-rgb": 32}
BY_TYPE = ("sdss-r-spirals.h5",)  # galaxies chosen by their type: learned from, but no fair reference
HEADING = "## Held-out galaxies"
MOST = 350  # held-out galaxies of each kind that are scored


def fit(samples: Path, work: Path, name: str) -> tuple[Scores, Scores]:
    """Train both flows; scores of the real galaxies and of the twins that neither has seen."""
    sets = {"real": samples / SAMPLES[name], "twins": samples / f"{SAMPLES[name]}-twins"}
    outs = {kind: work / name / kind for kind in ("base", "real", "twins")}
    init = None
    for kind, epochs in zip(outs, EPOCHS[name], strict=True):
        if not epochs:
            outs[kind] = outs["base"]
            continue
        images = sets["twins" if kind == "twins" else "real"]
        how = {"epochs": epochs, "batch_size": BATCH.get(name), "device": "cpu"}
        settings = TrainSettings(images=images, out=outs[kind], init=init, **how)
        train_model(settings, CONFIGS.get(name))
        init = outs["base"]
    real, twins = load_model(outs["real"]), load_model(outs["twins"])
    backgrounds = {"background": twins}
    if real.metadata["unit"] == LINEAR_UNIT:
        backgrounds["sky"] = SkyDensity(real.metadata["bands"], len(real.scale_names))
    held_out = [ImageSet.open(folder).split("test") for folder in sets.values()]
    held_out = [each.subset(slice(None, None, -(-len(each) // MOST))) for each in held_out]
    scored = [score(images, real, backgrounds) for images in held_out]
    return tuple(each[each["is_finite"]] for each in scored)


def folds_of(images: ImageSet, n_folds: int) -> dict[str, int]:
    """Fold of each galaxy by its name."""
    names, catalogue = images.catalogue["galaxy_id"].tolist(), images.catalogue
    exposures = zip(*(catalogue[part].tolist() for part in ("run", "camcol", "field")), strict=True)
    fields = ["-".join(map(str, each)) if each[0] >= 0 else "" for each in exposures]
    folds = deal_folds(names, catalogue["ra"], catalogue["dec"], fields, n_folds)
    return dict(zip(names, folds.tolist(), strict=True))


def fit_fold(
    images: ImageSet, is_held_out: np.ndarray, out: Path, epochs: int, init: FlowModel | None
) -> FlowModel:
    """Train on all images but those held out; the validation split of the others stops the training."""
    if (out / MODEL).is_dir():
        return load_model(out)
    is_validation = np.asarray(images.catalogue["split"] == "validation")
    learned = images.subset(~is_held_out & ~is_validation)
    stopping = images.subset(~is_held_out & is_validation)
    config = init.config if init else default_config(images)
    model = train(
        learned.read().image,
        context_of(learned.catalogue, config.context),
        config=config,
        training=TrainingConfig(epochs=epochs),
        validation=(stopping.read().image, context_of(stopping.catalogue, config.context)),
        init=init,
        folder=out,
        metadata=model_metadata(images, learned),
    )
    model.save(out / MODEL)
    return model


def cross_fit(samples: Path, work: Path, name: str, n_folds: int) -> None:
    """Train a pair of flows for each fold, of the galaxies outside it and of their twins."""
    sets = [ImageSet.open(samples / f"{SAMPLES[name]}{end}") for end in ("", "-twins")]
    fold_of = folds_of(sets[0], n_folds)
    first, second, last = EPOCHS[name]
    steps = [("base", sets[0], first), ("real", sets[0], second), ("twins", sets[1], last)]
    if not second:
        steps = [("real", sets[0], first), steps[2]]
    for fold in range(n_folds):
        start = None
        for kind, images, epochs in steps:
            is_held_out = np.array([fold_of[each] == fold for each in images.catalogue["galaxy_id"].tolist()])
            model = fit_fold(images, is_held_out, work / name / f"fold-{fold}" / kind, epochs, start)
            start = start or model
            print(f"{name} fold {fold} {kind}: {model.summary}", flush=True)


def probability_above(first: np.ndarray, second: np.ndarray) -> float:
    """Probability that one of the first is larger than one of the second; ties count half."""
    return float(mannwhitneyu(first, second).statistic) / (len(first) * len(second))


def remarks(real: Scores, twins: Scores) -> str:
    """Numbers of the held-out galaxies, as a section of the card."""
    ratio, smooth = real.numbers(), twins.numbers()
    auc = probability_above(ratio, smooth)
    parts = [
        probability_above(real.numbers(column), twins.numbers(column))
        for column in ("aperture_ratio", "surroundings_ratio")
    ]
    alone = probability_above(real["log_prob"], twins["log_prob"])
    error = np.sqrt(auc * (1 - auc) / min(len(ratio), len(smooth)))
    describe = lambda nats: (  # noqa: E731
        f"mean {nats.mean():+.1f}, scatter {nats.std(ddof=1):.1f}, median {np.median(nats):+.1f} nats"
    )
    return "\n".join(
        [
            HEADING,
            "",
            f"{len(ratio)} real galaxies and {len(smooth)} twins took no part in the training of the flows "
            "that score them.",
            "",
            f"- log-likelihood ratio of real galaxies: {describe(ratio)}",
            f"- of their smooth twins: {describe(smooth)}",
            f"- chance that a real galaxy has a larger ratio than a twin (AUC): {auc:.3f} +- {error:.3f}, "
            f"a larger log_prob: {alone:.3f}",
            f"- the same of the ratio inside 1.5 Petrosian radii {parts[0]:.3f}, outside {parts[1]:.3f} (0.5 "
            "where the twins' sky is like real sky)",
            "",
            f"`{HELD_OUT}` in the model of real galaxies holds their scores (no pixels); `simcompare "
            "score` adds them to simulations, which can so be compared without any data.",
        ]
    )


def install(samples: Path, work: Path, folder: Path, name: str, real: Scores, twins: Scores) -> None:
    """Copy both models with complete cards, and the scores of held-out real galaxies, into the package."""
    for kind, label in (("real", name), ("twins", f"{name}-twins")):
        trained = work / name / kind
        model = load_model(trained if trained.is_dir() else work / name / "base")
        images = ImageSet.open(samples / (SAMPLES[name] + ("-twins" if kind == "twins" else "")))
        model.card = model_card(model, images, remarks(real, twins))
        shutil.rmtree(folder / label, ignore_errors=True)
        model.save(folder / label)
    table = real.table
    table["dataset"] = [f"{name} held-out" for name in real["dataset"]]
    table.meta["model"] = model_hash(folder / name)
    table.meta["background"] = f"background:{model_hash(folder / f'{name}-twins')}"
    write_blocks([Scores.of(table)], folder / name / HELD_OUT)


KEPT = (
    "galaxy_id", "dataset", "kind", "split", "view", "ra", "dec", "redshift", "snr", "half_light_radius",
    "petrosian_radius", "axis_ratio", "concentration", "sersic_index", "image_index", "log_prob",
    "log_prob_background", "log_likelihood_ratio", "aperture_ratio", "surroundings_ratio", "symmetry_scatter",
    "complexity", "log_prob_corrected", "outside_domain", "is_finite", *MORPHOLOGY,
)  # fmt: skip
KEPT_STEMS = (
    "mag_", "sky_sigma_", "psf_fwhm_", "log_prob_scale_", "log_prob_background_scale_",
    "log_likelihood_ratio_scale_", "aperture_ratio_", "log_prob_sky", "log_likelihood_ratio_sky",
)  # fmt: skip


def unseen(samples: Path, larger: Path, name: str) -> list[ImageSet]:
    """Galaxies of the larger sample, and their twins, that the flows of `name` have not learned from."""
    learned = ImageSet.open(samples / SAMPLES[name]).catalogue
    learned = set(learned["galaxy_id"][learned["split"] != "test"].tolist())
    sets = [ImageSet.open(larger / f"{SAMPLES[name]}{end}") for end in ("", "-twins")]
    return [
        each.subset(np.array([galaxy not in learned for galaxy in each.catalogue["galaxy_id"].tolist()]))
        for each in sets
    ]


def install_folds(samples: Path, work: Path, folder: Path, name: str, n_folds: int) -> None:
    """Put the flows of all folds together in the package, with the scores of every galaxy and its twin."""
    sets = [ImageSet.open(samples / f"{SAMPLES[name]}{end}") for end in ("", "-twins")]
    fold_of = folds_of(sets[0], n_folds)
    galaxies = sets[0].catalogue["galaxy_id", "ra", "dec"]
    galaxies["fold"] = [fold_of[each] for each in galaxies["galaxy_id"].tolist()]
    for kind, label, images in zip(("real", "twins"), (name, f"{name}-twins"), sets, strict=True):
        flows = [load_model(work / name / f"fold-{fold}" / kind) for fold in range(n_folds)]
        model = CrossFitted(tuple(flows), galaxies)
        card = model_card(model, images, HEADING)
        shutil.rmtree(folder / label, ignore_errors=True)
        replace(model, card=card).save(folder / label)
    is_fair = ~np.isin(sets[0].catalogue["source"], BY_TYPE)
    fair = set(sets[0].catalogue["galaxy_id"][is_fair].tolist())
    kept = [[galaxy in fair for galaxy in each.catalogue["galaxy_id"].tolist()] for each in sets]
    write_reference(
        [each.subset(np.array(rows)) for each, rows in zip(sets, kept, strict=True)], folder, name
    )


def write_reference(sets: list[ImageSet], folder: Path, name: str) -> None:
    """Score real galaxies that the installed flows have not seen, and their twins; write their table."""
    real, twins = load_model(folder / name), load_model(folder / f"{name}-twins")
    backgrounds = {"background": twins, "sky": SkyDensity(real.metadata["bands"], len(real.scale_names))}
    tables = []
    for images, label in zip(sets, ("held-out", "held-out twins"), strict=True):
        table = score(images, real, backgrounds).table
        table["dataset"] = [f"SDSS {SAMPLES[name]} {label}"] * len(table)
        table["split"] = ["test"] * len(table)
        kept = [each for each in table.colnames if each in KEPT or each.startswith(KEPT_STEMS)]
        tables.append(table[kept][np.asarray(table["is_finite"])])
    section = remarks(*map(Scores.of, tables))
    print(f"{name}\n{section}")
    for label in (name, f"{name}-twins"):
        card = folder / label / "README.md"
        before, _, rest = card.read_text(encoding="utf-8").partition(HEADING)
        after = rest[rest.index("\n## ") + 1 :]
        card.write_text(f"{before}{section}\n\n{after}", encoding="utf-8")
    joined = vstack(tables, metadata_conflicts="silent")
    joined.meta = tables[0].meta | {
        "model": model_hash(folder / name),
        "background": f"background:{model_hash(folder / f'{name}-twins')}",
    }
    write_blocks([Scores.of(joined)], folder / name / HELD_OUT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--install", type=Path, help="folder that the models are copied into")
    parser.add_argument("--names", nargs="+", choices=SAMPLES, default=["sdss-r", "sdss-gri"])
    parser.add_argument("--reference", type=Path, help="larger samples; score them, train nothing")
    parser.add_argument("--folds", type=int, help="cross-fit with as many folds")
    options = parser.parse_args()
    for name in options.names if options.folds else ():
        cross_fit(options.samples, options.work, name, options.folds)
        if options.install:
            install_folds(options.samples, options.work, options.install, name, options.folds)
    for name in options.names if options.reference else ():
        write_reference(unseen(options.samples, options.reference, name), options.install, name)
    for name in () if options.reference or options.folds else options.names:
        real, twins = fit(options.samples, options.work, name)
        print(f"{name}\n{remarks(real, twins)}")
        if options.install:
            install(options.samples, options.work, options.install, name, real, twins)


if __name__ == "__main__":
    main()
