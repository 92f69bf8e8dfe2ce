"""Models on disk, and what they refuse."""

import logging
import re
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from flows import FlowConfig, FlowModel, bits_per_dim, checkpoint
from flows.checkpoint import SCHEMA

METADATA = {
    "survey": 'sdss "r"\n',
    "bands": ["r", "i"],
    "n_galaxies": 12,
    "depth": {"r": 22.7, "valid": True},
    "preparation_hash": "ab",
}


@pytest.fixture
def model() -> FlowModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = FlowConfig(
            size=16, n_bands=2, softening=(0.1, 0.2), context=("seeing",), widths=(6,), steps=(1,)
        )
        model = FlowModel(config, METADATA)
    model.fit_context(torch.tensor([[1.0], [1.2], [1.4]]))
    model.history = [{"epoch": 1, "train": 0.1 + 0.2, "validation": -3e-20}]
    model.summary = {"n_train": 10, "gap_nats_per_pixel": 0.25}
    return model


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 2, 16, 16)).astype("f4")


CONTEXT = np.full((4, 1), 1.2)


def test_loaded_equals_saved_bit_by_bit(model, images, tmp_path):
    folder = model.save(tmp_path / "a" / "model")
    loaded = FlowModel.load(folder)
    assert torch.equal(loaded.log_prob(images, CONTEXT), model.log_prob(images, CONTEXT))
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert loaded.config == model.config
    assert loaded.metadata == METADATA
    assert loaded.history == model.history
    assert loaded.summary == model.summary
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "model.toml",
        "weights.safetensors",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_model_can_be_replaced_but_nothing_else(model, tmp_path):
    folder = model.save(tmp_path / "model")
    model.metadata["survey"] = "hsc"
    assert FlowModel.load(model.save(folder)).metadata["survey"] == "hsc"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "text").write_text("keep me")
    with pytest.raises(FileExistsError, match=r"holds no model\.toml"):
        model.save(tmp_path / "notes")
    assert (tmp_path / "notes" / "text").read_text() == "keep me"


def edit(old: str, new: str, *, hashed: bool = False):
    """Change the facts of a model, as somebody who hashes them again or as a flipped bit."""

    def change(folder):
        text = (folder / "model.toml").read_text()
        assert old in text
        assert "facts_sha256" in text
        if not hashed:
            text = re.sub(r"facts_sha256 = .*\n", "", text)
        (folder / "model.toml").write_text(text.replace(old, new))

    return change


def damage(folder):
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda folder: shutil.rmtree(folder), FileNotFoundError, "does not exist"),
        (lambda folder: (folder / "history.csv").unlink(), FileNotFoundError, "history.csv"),
        (damage, ValueError, "damaged"),
        (edit(f"schema = {SCHEMA}", f"schema = {SCHEMA + 1}"), ValueError, "Update simcompare"),
        (edit("simcompare flow", "somebody's flow"), ValueError, "not a simcompare model"),
        (edit("size = 16", "size = 32"), ValueError, "complete model"),
        (edit("pixels_version = 1", "pixels_version = 0"), ValueError, "version 0 of the asinh"),
        (lambda folder: (folder / "model.toml").write_text("= ="), ValueError, "not readable TOML"),
        (lambda folder: (folder / "history.csv").write_text("epoch\nfirst\n"), ValueError, "damaged"),
        (edit("size = 16", "size = 17", hashed=True), ValueError, r"model\.toml is damaged"),
        (edit("schema = ", "schema  = ", hashed=True), None, ""),  # the same facts
        (edit("size = 16", "size = 16"), None, ""),  # a model of an earlier version, without that hash
        (lambda folder: (folder / "model.toml").write_text("a." * 50_000 + "b = 1"), ValueError, "readable"),
        (lambda folder: (folder / "model.toml").write_text("a = " + "[" * 10**5), ValueError, "readable"),
    ],
)
def test_foreign_and_damaged_models_are_refused(model, tmp_path, change, error, message):
    folder = model.save(tmp_path / "model")
    change(folder)
    with pytest.raises(error, match=message) if error else nullcontext():
        FlowModel.load(folder)


def test_metadata_that_toml_cannot_hold_is_refused_and_leaves_nothing(model, tmp_path):
    model.metadata["survey"] = object()
    with pytest.raises(TypeError, match="survey is a object"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def with_value(value: float):
    def change(images):
        images[2, 1, 3, 3] = value
        return images

    return change


def constant(images):
    images[1, 0] = 0.5
    return images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value(np.nan), r"NaN or infinite pixels in 1 of 4 images \(index 2\)"),
        (with_value(np.inf), "NaN or infinite"),
        (constant, r"equal in 1 of 4 images \(index 1\)"),
        (lambda images: images[:, :1], r"shape \(4, 1, 16, 16\)"),
        (lambda images: images[..., :8], r"this flow takes \(n, 2, 16, 16\)"),
        (lambda images: images[0], "this flow takes"),
        (lambda images: images[:0], "at least 1"),
    ],
)
def test_bad_images_are_named(model, images, change, message):
    with pytest.raises(ValueError, match=message):
        model.log_prob(change(images), CONTEXT)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "needs context: one row per image with the columns seeing"),
        (np.ones((3, 1)), r"expected \(4, 1\)"),
        (np.ones((4, 2)), r"expected \(4, 1\)"),
        (np.full((4, 1), np.nan), "NaN or infinite for 4 of 4"),
    ],
)
def test_bad_context_is_named(model, images, context, message):
    with pytest.raises(ValueError, match=message):
        model.log_prob(images, context)


def test_context_without_need_is_refused(images):
    model = FlowModel(FlowConfig(size=16, n_bands=2, softening=(1, 1)))
    with pytest.raises(ValueError, match="built without"):
        model.log_prob(images, CONTEXT)


def test_context_out_of_range_is_flagged(model, images, caplog):
    seeing = np.array([[1.0], [1.43], [1.5], [0.2]])
    np.testing.assert_array_equal(model.outside_domain(seeing), [False, False, True, True])
    with caplog.at_level(logging.DEBUG):
        assert torch.isfinite(model.log_prob(images, seeing)).all()
    assert "2 of 4 images have a context outside the range" in caplog.text


def test_inputs_are_left_alone_and_other_byte_orders_read(model, images):
    before = images.copy()
    expected = model.log_prob(images, CONTEXT)
    np.testing.assert_array_equal(images, before)
    torch.testing.assert_close(model.log_prob(images.astype(">f4"), CONTEXT), expected)


def test_samples_obey_generator_context_and_shape(model):
    def draw(seed, **given):
        return model.sample(3, [1.2], generator=torch.Generator().manual_seed(seed), **given)

    assert draw(1).shape == (3, 2, 16, 16)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert draw(1, temperature=0.1).std() < draw(1).std()
    with pytest.raises(ValueError, match="needs context"):
        model.sample(3, generator=torch.Generator())
    with pytest.raises(ValueError, match="temperature"):
        draw(1, temperature=-1)


def test_bits_per_dim_of_unit_noise():
    """The entropy of a unit normal is 2.047 bits."""
    nats = -0.5 * np.log(2 * np.pi * np.e) * 64
    assert bits_per_dim(nats, 64) == pytest.approx(2.0471, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 48}, "power of two"),
        ({"size": 4}, "power of two"),
        ({"size": 8192}, "power of two from 8 to 4096"),
        ({"n_bands": 6}, "1 to 5"),
        ({"softening": (1.0, 1.0)}, "one positive number"),
        ({"softening": (-1.0,)}, "one positive number"),
        ({"coarsest": 32}, "coarsest is 32"),
        ({"widths": ()}, "positive entries"),
        ({"softening": (float("nan"),)}, "one positive number"),
        ({"softening": (float("inf"),)}, "one positive number"),
        ({"gain": (float("nan"),)}, "one positive number"),
        ({"steps": (10**9, 2)}, "at most 1024 and 100"),
        ({"widths": (16, 1025)}, "at most 1024 and 100"),
        ({"clamp": float("inf")}, "clamp inf"),
        ({"clamp": float("nan")}, "clamp nan"),
        ({"dropout": 1.0}, "dropout"),
        ({"softening": (1.0,), "architecture": "pixelcnn"}, "known: wavelet"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        FlowModel(FlowConfig(**changes))


def test_regions_share_the_nats_exactly(model, images):
    weight = np.random.default_rng(2).random((4, 16, 16)).astype("f4")
    whole, inside = model.budget_within(images, CONTEXT, weight)
    assert torch.equal(whole, model.budget(images, CONTEXT, by_band=True))
    rest = model.budget_within(images, CONTEXT, 1 - weight)[1]
    np.testing.assert_allclose(inside + rest, whole, atol=1e-4)
    half = np.zeros((4, 16, 16))
    half[:, :8] = 1
    of_half = model.budget_within(images, CONTEXT, half)[1].sum((1, 2))
    np.testing.assert_allclose(of_half, model.map(images, CONTEXT)[:, :8].sum((1, 2)), atol=1e-4)
    with pytest.raises(ValueError, match=r"weight has shape \(4, 8, 16\); expected \(4, 16, 16\)"):
        model.budget_within(images, CONTEXT, half[:, :8])


def test_a_model_of_other_tensors_is_refused_in_one_line(tmp_path):
    """torch would list each of its hundred tensors."""
    FlowModel(FlowConfig(size=16, softening=(0.1,))).save(tmp_path / "model")
    tensors, facts, history, card = checkpoint.load_model(tmp_path / "model")
    checkpoint.save_model(tmp_path / "other", {"a": next(iter(tensors.values()))}, facts, history, card)
    with pytest.raises(ValueError, match="does not hold a complete model") as error:
        FlowModel.load(tmp_path / "other")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
