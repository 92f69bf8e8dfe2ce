"""Flows of several folds as one density: the mean for what is new, the unseen one for what is known."""

import shutil

import numpy as np
import pytest
import torch
from astropy.table import Table

from flows import FlowConfig, FlowModel
from simcompare.data.shipped import count_folds
from simcompare.models.cross_fitted import CrossFitted
from simcompare.models.storage import load_flow, load_model, model_hash

N = 6
FACTS = {"survey": "sdss", "bands": ["r"], "pixel_scale": 0.396, "unit": "nmgy", "size": 8, "n_train": 20}


def flow(seed: int, low: float = 15.0, high: float = 20.0, **facts) -> FlowModel:
    """Flow of random weights that nobody has trained."""
    config = FlowConfig(size=8, softening=(0.1 + 0.01 * seed,), context=("seeing",), widths=(4,), steps=(1,))
    model = FlowModel(config, FACTS | {"validity": {"mag_r": [low, high]}} | facts)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    model.fit_context(torch.tensor([[1.0], [1.5]]))
    model.summary = {"n_train": 20 + seed, "n_validation": 4, "epochs": 3, "gap_nats_per_pixel": 0.01 * seed}
    return model


@pytest.fixture
def folds() -> CrossFitted:
    galaxies = Table({"galaxy_id": ["a", "b", "c", "d"], "fold": [0, 1, 2, 1]})
    galaxies["ra"], galaxies["dec"] = [10.0, 20.0, 30.0, np.nan], [0.0, 5.0, -5.0, np.nan]
    return CrossFitted(tuple(flow(k, 15 - k, 20 - k) for k in range(3)), galaxies, "# Card")


@pytest.fixture
def given() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images, context = rng.normal(size=(N, 1, 8, 8)).astype("f4"), rng.uniform(1, 1.5, (N, 1)).astype("f4")
    return images, context, rng.uniform(size=(N, 8, 8)).astype("f4")


CATALOGUE = Table(
    {
        "galaxy_id": ["new", "b", "c", "under another name", "d", "elsewhere"],
        "ra": [10.1, 99.0, np.nan, 10.0005, np.nan, 30.002],
        "dec": [0.0, 0.0, np.nan, 0.0, np.nan, -5.0],
    }
)  # 1.8 and 7.2 arcsec from a galaxy of the sample
OWN = [None, 1, 2, 0, 1, None]  # None: unknown, all folds


def expected(values: list[np.ndarray]) -> np.ndarray:
    """Mean of the folds, or the one of the galaxy."""
    return np.array(
        [
            np.mean([each[i] for each in values], axis=0) if k is None else values[k][i]
            for i, k in enumerate(OWN)
        ]
    )


def test_unknown_images_get_the_mean_and_known_galaxies_the_fold_that_has_not_seen_them(folds, given):
    images, context, weight = given
    own = folds.for_catalogue(CATALOGUE)
    calls = {
        "log_prob": lambda each: each.log_prob(images, context),
        "budget": lambda each: each.budget(images, context),
        "by band": lambda each: each.budget(images, context, by_band=True),
        "map": lambda each: each.map(images, context),
        "whole": lambda each: each.budget_within(images, context, weight)[0],
        "inside": lambda each: each.budget_within(images, context, weight)[1],
    }
    for name, call in calls.items():
        values = [call(member).numpy() for member in folds.members]
        assert np.ptp([each[0].sum() for each in values]) > 1, "three flows that differ"
        np.testing.assert_allclose(call(own).numpy(), expected(values), rtol=1e-5, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(call(folds).numpy(), np.mean(values, axis=0), rtol=1e-5, atol=1e-4)
    total = own.log_prob(images, context)
    np.testing.assert_allclose(own.budget(images, context).sum(1), total, atol=1e-3)
    np.testing.assert_allclose(own.map(images, context).sum((1, 2)), total, atol=1e-3)
    with pytest.raises(ValueError, match=r"5 images are given, but .* has 6 rows"):
        own.log_prob(images[:5], context[:5])


def test_it_is_valid_where_most_folds_are(folds):
    assert folds.metadata["validity"] == {"mag_r": [14.0, 19.0]}
    assert folds.metadata["survey"] == "sdss"
    assert folds.metadata["n_train"] == folds.summary["n_train"] == 21
    assert folds.summary["gap_nats_per_pixel"] == pytest.approx(0.01)
    assert (folds.context_names, folds.is_local) == (("seeing",), True)


def test_samples_come_from_all_folds_and_latents_from_one(folds, given):
    images, context, _ = given
    draw = lambda each: each.sample(30, [1.2], generator=torch.Generator().manual_seed(3))  # noqa: E731
    drawn = draw(folds)
    assert drawn.shape == (30, 1, 8, 8)
    scores = np.array([each.log_prob(drawn, np.full((30, 1), 1.2)).numpy() for each in folds.members])
    assert len(set(scores.argmax(0))) > 1
    latents = folds.for_catalogue(CATALOGUE).latents(images, context)
    assert torch.equal(latents, folds.members[0].latents(images, context))


def test_loaded_equals_saved(folds, given, tmp_path):
    images, context, _ = given
    folder = folds.save(tmp_path / "sdss")
    loaded = load_model(folder)
    catalogue = CATALOGUE[:N]
    assert torch.equal(
        loaded.for_catalogue(catalogue).log_prob(images, context),
        folds.for_catalogue(catalogue).log_prob(images, context),
    )
    assert loaded.card == "# Card"
    assert count_folds(folder) == 3
    assert torch.equal(
        load_flow(folder).log_prob(images, context), folds.members[0].log_prob(images, context)
    )
    assert model_hash(folder) != model_hash(folder / "fold-0")
    with pytest.raises(FileExistsError, match="not empty"):
        folds.save(folder)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda folder: shutil.rmtree(folder / "fold-1"),
            FileNotFoundError,
            r"fold-1.*has 3 folds \(fold-0, f",
        ),
        (lambda folder: (folder / "folds.csv").unlink(), FileNotFoundError, "folds.csv does not exist"),
        (
            lambda folder: (folder / "folds.csv").write_text("x"),
            ValueError,
            "folds.csv is damaged: its sha256",
        ),
        (lambda folder: flow(7).save(folder / "fold-1"), ValueError, "fold-1 is the flow of another fit"),
        (lambda folder: edit(folder, "schema = 1", "schema = 2"), ValueError, "schema 2; this version reads"),
        (lambda folder: edit(folder, '"fold-1"', "1"), ValueError, "model.toml is damaged"),
        (lambda folder: edit(folder, '"fold-1"', '"../fold-1"'), ValueError, "model.toml is damaged"),
        (lambda folder: edit(folder, "members", "folds"), ValueError, "damaged .'members'.; copy the model"),
    ],
)
def test_what_is_missing_or_damaged_is_named(folds, tmp_path, spoil, error, message):
    folder = folds.save(tmp_path / "sdss")
    spoil(folder)
    with pytest.raises(error, match=message):
        load_model(folder)


def edit(folder, old: str, new: str) -> None:
    """Change the facts of a model."""
    path = folder / "model.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_members_that_do_not_belong_together_are_refused(folds):
    galaxies = folds.galaxies
    with pytest.raises(ValueError, match=r"1 fold is there; .* at least two"):
        CrossFitted(folds.members[:1], galaxies)
    with pytest.raises(ValueError, match="fold 1 is of other images than fold 0: preparation_hash differ"):
        CrossFitted((flow(0), flow(1, preparation_hash="x")), galaxies)
    with pytest.raises(ValueError, match=r"in folds \[0, 1, 2\], but there are 2 folds"):
        CrossFitted(folds.members[:2], galaxies)
