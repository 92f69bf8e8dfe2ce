"""Training: reproducible, resumable, guarded against small samples and bad numbers."""

import logging
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from flows import FlowConfig, FlowModel, TrainingConfig, train
from flows.training import fitting
from flows.training.augment import augment

CONFIG = FlowConfig(size=8, softening=(0.5,), widths=(8,), steps=(1,))
SHORT = TrainingConfig(epochs=4, batch_size=16, snapshot_every=1)


def noisy_blobs(n: int, seed: int, size: int = 8, context: bool = False):
    """Round blobs of random brightness in noise whose level is the context."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    flux = rng.lognormal(1, 0.5, (n, 1, 1, 1))
    sigma = rng.uniform(0.5, 2.0, n) if context else np.ones(n)
    images = flux * np.exp(-(x**2 + y**2) / 6) + sigma[:, None, None, None] * rng.normal(
        size=(n, 1, size, size)
    )
    return (images.astype("f4"), np.log(sigma)[:, None]) if context else images.astype("f4")


def weights(model: FlowModel) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_equal_seeds_give_equal_weights_and_the_global_stream_is_left_alone():
    images = noisy_blobs(60, 1)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = train(images, config=CONFIG, training=SHORT, seed=1)
    assert torch.equal(torch.rand(1), expected)
    second = train(images, config=CONFIG, training=SHORT, seed=1)
    other = train(images, config=CONFIG, training=SHORT, seed=2)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_an_interrupted_training_ends_at_the_same_weights(tmp_path):
    images, context = noisy_blobs(60, 2, context=True)
    config = CONFIG.replace(context=("log_sigma",))
    whole = train(images, context, config=config, training=SHORT)

    class Interrupted(Exception):
        pass

    def interrupt(progress):
        if progress.epoch == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(images, context, config=config, training=SHORT, folder=tmp_path, callback=interrupt)
    epochs = []
    resumed = train(
        images,
        context,
        config=config,
        training=SHORT,
        folder=tmp_path,
        callback=lambda p: epochs.append(p.epoch),
    )
    assert epochs == [3, 4]
    assert torch.equal(weights(whole), weights(resumed))
    assert [row["validation"] for row in whole.history] == [row["validation"] for row in resumed.history]
    with pytest.raises(ValueError, match="belongs to another training run: its seed is 0, now it is 1"):
        train(images, context, config=config, training=SHORT, folder=tmp_path, seed=1)


def test_a_damaged_snapshot_costs_the_epochs_since_the_one_before(tmp_path, caplog):
    images = noisy_blobs(60, 2)
    whole = train(images, config=CONFIG, training=SHORT, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot-000003", "snapshot-000004"]
    with open(tmp_path / "snapshot-000004" / "weights.safetensors", "r+b") as file:
        file.truncate(1000)
    epochs = []
    again = train(
        images,
        config=CONFIG,
        training=SHORT,
        folder=tmp_path,
        callback=lambda progress: epochs.append(progress.epoch),
    )
    assert epochs == [4]
    assert "damaged" in caplog.text
    assert torch.equal(weights(whole), weights(again))
    assert (tmp_path / "snapshot-000004").is_dir()


def test_history_and_summary_tell_the_losses_by_scale():
    seen = []
    model = train(
        noisy_blobs(60, 3), config=CONFIG, training=SHORT, callback=seen.append, metadata={"survey": "toy"}
    )
    row = model.history[-1]
    assert len(model.history) == len(seen) == 4
    for kind in ("train", "validation"):
        assert sum(row[f"{kind} {name}"] for name in model.scale_names) == pytest.approx(row[kind])
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left > 0
    summary = model.summary
    assert (summary["n_train"], summary["n_validation"]) == (51, 9)
    gap = summary["validation_nats_per_pixel"] - summary["train_nats_per_pixel"]
    assert summary["gap_nats_per_pixel"] == pytest.approx(gap)
    assert summary["validation_nats_per_pixel"] == pytest.approx(min(row["best"] for row in model.history))
    assert model.metadata == {"survey": "toy"}


def test_training_approaches_the_density_and_respects_the_context():
    """Noise of known level: the fit comes near its entropy, and tells the levels apart by context alone."""
    rng = np.random.default_rng(4)
    sigma = rng.uniform(0.3, 3.0, 1000)
    images = (sigma[:, None, None, None] * rng.normal(size=(1000, 1, 8, 8))).astype("f4")
    context = np.log(sigma)[:, None]
    config = CONFIG.replace(context=("log_sigma",), softening=(20.0,))
    model = train(
        images[:800], context[:800], config=config, training=TrainingConfig(epochs=20, learning_rate=5e-3)
    )
    truth = -0.5 * (images[800:] / sigma[800:, None, None, None]) ** 2 - np.log(
        sigma[800:, None, None, None] * np.sqrt(2 * np.pi)
    )
    truth = truth.sum((1, 2, 3))
    log_prob = model.log_prob(images[800:], context[800:]).numpy()
    assert -0.003 < (truth.mean() - log_prob.mean()) / 64 < 0.01
    wrong = model.log_prob(images[800:], context[800:][::-1].copy()).numpy()
    assert wrong.mean() < log_prob.mean() - 10
    samples = model.sample(400, [np.log(0.5)], generator=torch.Generator().manual_seed(1))
    assert float(samples.std()) == pytest.approx(0.5, rel=0.1)


def test_shifts_cut_larger_stamps_and_never_roll():
    stamps = torch.arange(2 * 144.0).view(2, 1, 12, 12)
    generator = torch.Generator().manual_seed(1)
    seen = set()
    for _ in range(200):
        for stamp, image in zip(stamps, augment(stamps, 2, generator), strict=True):
            low = float(image.min())
            y, x = divmod(int(low - float(stamp.min())), 12)
            expected = stamp[:, y : y + 8, x : x + 8].flatten()
            assert torch.equal(image.flatten().sort()[0], expected)
            seen.add((y, x))
    assert seen == {(y, x) for y in range(5) for x in range(5)}
    model = train(noisy_blobs(40, 5, size=12), config=CONFIG, training=TrainingConfig(epochs=1, max_shift=2))
    assert model.summary["n_train"] == 34
    with pytest.raises(ValueError, match=r"\(n, 1, 12, 12\)"):
        train(noisy_blobs(40, 5), config=CONFIG, training=TrainingConfig(epochs=1, max_shift=2))


def test_all_eight_flips_and_turns_are_equally_likely():
    """4000 copies of one image without symmetry: 500 of each, within 4.5 sigma."""
    image = torch.arange(16.0).view(1, 1, 4, 4)
    seen = Counter(
        tuple(turned.flatten().tolist())
        for turned in augment(image.repeat(4000, 1, 1, 1), 0, torch.Generator().manual_seed(2))
    )
    flips = (image[0, 0], image[0, 0].flip(1))
    assert set(seen) == {tuple(torch.rot90(each, k).flatten().tolist()) for each in flips for k in range(4)}
    assert max(abs(count - 500) for count in seen.values()) < 4.5 * np.sqrt(4000 * 7 / 64)


def test_init_starts_from_the_given_weights_and_keeps_its_standardisation():
    images, context = noisy_blobs(60, 6, context=True)
    config = CONFIG.replace(context=("log_sigma",))
    base = train(images, context, config=config, training=SHORT)
    still = TrainingConfig(epochs=1, learning_rate=1e-12, weight_decay=0.0)
    same = train(images + 1, context + 1, config=config, training=still, init=base)
    torch.testing.assert_close(weights(same), weights(base))
    assert torch.equal(same.context_mean, base.context_mean)
    with pytest.raises(ValueError, match="init was built differently: widths"):
        train(images, context, config=config.replace(widths=(9,)), training=SHORT, init=base)


def test_a_flow_moved_to_another_survey_sees_its_images_in_units_of_their_noise():
    """Images a hundredth as bright, context shifted: the density grows by ln 100 in each of 64 pixels."""
    images, context = noisy_blobs(60, 6, context=True)
    config = CONFIG.replace(context=("log_sigma_r",), softening=())
    base = train(images, context, config=config, training=SHORT)
    faint, later = images / 100, context - 3
    moved = base.moved_to(faint, later, ("log_sigma_i",))
    moved.context_mean += base.context_mean - torch.as_tensor(context).mean(0)  # of the training part alone
    moved.context_scale.copy_(base.context_scale)
    assert moved.config.context == ("log_sigma_i",)
    expected = base.log_prob(images, context) + 64 * np.log(100)
    ratio = 100 * moved.config.softening[0] / base.config.softening[0]
    assert ratio == pytest.approx(1, abs=0.02)  # measured on all images, and on those trained on
    torch.testing.assert_close(moved.log_prob(faint, later), expected, rtol=0, atol=3)
    with pytest.raises(ValueError, match="takes 1 columns of context, the images have 2"):
        base.moved_to(faint, later, ("a", "b"))


def test_ratio_of_related_models_is_calm_on_pure_noise():
    """Two densities of different blobs, one trained from the other, agree where there is only sky."""
    round_blobs, sky = noisy_blobs(200, 7), np.random.default_rng(8).normal(size=(300, 1, 8, 8)).astype("f4")
    bright = round_blobs * np.float32(1) + 3 * (noisy_blobs(200, 9) - noisy_blobs(200, 9)).astype("f4")
    setting = TrainingConfig(epochs=6, learning_rate=1e-2)
    first = train(np.concatenate([round_blobs, sky[:200]]), config=CONFIG, training=setting, seed=1)
    tuned = train(np.concatenate([bright, sky[:200]]), config=CONFIG, training=setting, seed=2, init=first)
    apart = train(np.concatenate([bright, sky[:200]]), config=CONFIG, training=setting, seed=2)
    noise = sky[200:]
    related = (first.log_prob(noise) - tuned.log_prob(noise)).std()
    unrelated = (first.log_prob(noise) - apart.log_prob(noise)).std()
    assert related < unrelated


def test_loss_that_is_no_number_stops_and_keeps_the_best(monkeypatch, caplog):
    images = noisy_blobs(60, 10)
    good = train(images, config=CONFIG, training=TrainingConfig(epochs=4, batch_size=16))
    real, calls = fitting.augment, []

    def poisoned(*arguments):
        calls.append(1)
        batch = real(*arguments)
        return batch * torch.nan if len(calls) > 1 + 2 * 4 + 1 else batch  # one to start with, two epochs

    monkeypatch.setattr(fitting, "augment", poisoned)
    with caplog.at_level(logging.ERROR):
        model = train(images, config=CONFIG, training=TrainingConfig(epochs=4, batch_size=16))
    assert "epoch 3, step 10" in caplog.text
    assert "training images: [" in caplog.text
    assert model.metadata["training_stopped"] == "loss not a number in epoch 3"
    assert [row["validation"] for row in model.history] == [row["validation"] for row in good.history[:2]]
    assert torch.isfinite(model.log_prob(images)).all()


def test_time_limit_ends_training_with_the_rate_brought_down():
    ticks = iter(np.arange(0, 1e6, 0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting.time, "monotonic", lambda: float(next(ticks)))
        model = train(noisy_blobs(60, 11), config=CONFIG, training=TrainingConfig(epochs=1000), time_limit=10)
    assert len(model.history) < 20
    assert model.history[-1]["learning_rate"] < 0.2 * max(row["learning_rate"] for row in model.history)


def test_training_stops_when_no_scale_gains():
    rule = TrainingConfig(epochs=300, patience=3, learning_rate=0.02, batch_size=4)
    model = train(noisy_blobs(12, 12), config=CONFIG, training=rule)
    assert len(model.history) < 300


def test_small_and_bad_samples_are_refused():
    images = noisy_blobs(20, 13)
    with pytest.raises(ValueError, match="cannot be split"):
        train(images[:2], config=CONFIG)
    with pytest.raises(ValueError, match="1 training image"):
        train(images[:1], config=CONFIG, validation=(images, None))
    images[3] = 0
    with pytest.raises(ValueError, match=r"index 3"):
        train(images, config=CONFIG)
    with pytest.raises(ValueError, match="needs context"):
        train(noisy_blobs(20, 1), config=CONFIG.replace(context=("a",)))


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"learning_rate": 0.0}, {"ema": 1.0}, {"max_shift": -1}])
def test_impossible_training_settings_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        TrainingConfig(**changes)


def test_the_rate_rises_in_the_warm_up_and_falls_as_a_cosine():
    """Of 10 epochs of 20 steps, with a warm-up of a tenth: 20 steps up from a tenth, 180 down."""
    training = TrainingConfig(epochs=10, learning_rate=0.3, warm_up=0.1)

    def rate(step, **limits):
        fit = SimpleNamespace(training=training, steps_per_epoch=20, step=step)
        return fitting.Fit._rate(fit, lambda: limits.get("elapsed", 0.0), limits.get("time_limit"))

    for step in (0, 7, 19):  # of 22 equal steps from zero, which begin with the third
        assert rate(step) == pytest.approx(0.3 * (step + 2) / 22)
    assert rate(20) == pytest.approx(0.3)
    assert rate(110) == pytest.approx(0.15)
    assert rate(155) == pytest.approx(0.15 * (1 - np.sqrt(0.5)))
    assert rate(200) == pytest.approx(0)
    assert rate(0, elapsed=55.0, time_limit=100.0) == pytest.approx(0.15)
    assert rate(155, elapsed=10.0, time_limit=100.0) == rate(155)
    assert rate(0, elapsed=300.0, time_limit=100.0) == pytest.approx(0)


def test_the_running_mean_forgets_its_start_within_eleven_steps():
    """After one step a part in eleven of it is the first weights, unless the mean is to be shorter."""
    images = noisy_blobs(40, 7)
    ends = []
    for changes in ({"learning_rate": 1e-12, "ema": 0.0}, {"ema": 0.0}, {"ema": 0.9}, {"ema": 0.05}):
        training = TrainingConfig(epochs=1, batch_size=64, weight_decay=0.0, max_shift=0, **changes)
        ends.append(weights(train(images, config=CONFIG, training=training, seed=3)))
    first, last, mean, short = ends
    assert (last - first).abs().max() > 1e-5
    torch.testing.assert_close(mean, first / 11 + last * 10 / 11, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(short, 0.05 * first + 0.95 * last, rtol=1e-6, atol=1e-7)
