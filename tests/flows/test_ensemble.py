"""Ensembles and the sheet of samples."""

import math

import numpy as np
import pytest
import torch

from flows import Ensemble, FlowConfig, FlowModel, TrainingConfig, sample_sheet, train

CONFIG = FlowConfig(size=8, softening=(5.0,), widths=(6,), steps=(1,))
NOISE = np.random.default_rng(1).normal(size=(60, 1, 8, 8)).astype("f4")


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    training = TrainingConfig(epochs=2)
    return Ensemble([train(NOISE, config=CONFIG, training=training, seed=seed) for seed in (5, 6, 7)])


def test_density_is_the_mean_of_the_members(ensemble):
    members = ensemble.log_prob_members(NOISE)
    assert members.shape == (60, 3)
    torch.testing.assert_close(ensemble.log_prob(NOISE), members.exp().mean(1).log())
    assert (ensemble.log_prob(NOISE) >= members.mean(1)).all()


def test_saved_equals_loaded(ensemble, tmp_path):
    loaded = Ensemble.load(ensemble.save(tmp_path / "three"))
    assert torch.equal(loaded.log_prob(NOISE), ensemble.log_prob(NOISE))
    with pytest.raises(FileExistsError, match="not empty"):
        ensemble.save(tmp_path / "three")
    with pytest.raises(FileNotFoundError, match="no member-0"):
        Ensemble.load(tmp_path)


def test_an_empty_folder_is_written_into(ensemble, tmp_path):
    assert {path.name for path in ensemble.save(tmp_path).iterdir()} == {"member-0", "member-1", "member-2"}


def test_samples_are_those_of_the_drawn_members_at_their_own_temperature():
    """The same draws by hand; one context of all images is given as one row."""
    config = CONFIG.replace(context=("a", "b"))
    pair = Ensemble([FlowModel(config), FlowModel(config)])
    found = pair.sample(6, [0.3, -0.2], generator=torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    choice = torch.randint(2, (6,), generator=generator)
    assert 0 < choice.sum() < 6
    for index, model in enumerate(pair.models):
        rows = torch.nonzero(choice == index).flatten()
        context = np.tile([0.3, -0.2], (len(rows), 1))
        expected = model.sample(len(rows), context, generator=generator, temperature=1.0)
        torch.testing.assert_close(found[rows], expected)


def test_samples_come_from_all_members(ensemble):
    samples = ensemble.sample(50, generator=torch.Generator().manual_seed(1))
    assert samples.shape == (50, 1, 8, 8)
    assert torch.isfinite(ensemble.log_prob(samples)).all()


def test_unusable_ensembles_are_refused():
    model = FlowModel(CONFIG)
    with pytest.raises(ValueError, match="at least two"):
        Ensemble([model])
    with pytest.raises(ValueError, match="size, bands and context differ"):
        Ensemble([model, FlowModel(CONFIG.replace(size=16))])


def test_sheet_puts_the_first_image_at_the_top_left():
    images = np.random.default_rng(2).normal(size=(5, 2, 4, 6))
    images[0, :, 1, 2] = 100
    sheet = sample_sheet(images, columns=3)
    assert sheet.shape == (8, 18)
    assert sheet[4 + 1, 2] == 1
    assert np.isnan(sheet[:4, 12:]).all()
    assert np.nanmin(sheet) == 0
    assert math.isclose(np.isnan(sheet).sum(), 24)


def test_eight_bit_images_train_and_their_bits_are_bounded():
    """Values from 100 to 115, all equally likely: 4 bits each, and not less."""
    rng = np.random.default_rng(3)
    images = rng.integers(100, 116, (150, 3, 8, 8), dtype=np.uint8)
    config = FlowConfig(size=8, n_bands=3, pixels="rgb", widths=(8,), steps=(2,), dropout=0.0)
    model = train(images, config=config, training=TrainingConfig(epochs=25))
    bits = model.summary["validation_nats_per_pixel"] / math.log(2)
    assert 3.99 < bits < 4.3
    samples = model.sample(20, generator=torch.Generator().manual_seed(4))
    assert (samples.min() >= 0) & (samples.max() < 256)
    with pytest.raises(ValueError, match=r"are outside the range \[0, 256\)"):
        model.log_prob(images + 200.0)
