"""Pixel transforms: exact inverse, exact log-determinant, tied to the physical pixel value."""

import numpy as np
import pytest
import torch

import flows
from flows import FlowConfig, dequantise, measure_softening
from flows.pixels import PIXEL_TRANSFORMS, make_pixels

CONFIG = FlowConfig(size=8, n_bands=2, softening=(0.1, 0.3), gain=(4.0, 5.0))


def pixel_values(name: str, n: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn((n, 2, 4, 4), generator=generator, dtype=torch.float64)
    return (torch.sigmoid(values) * 255) if name == "rgb" else values


@pytest.mark.parametrize("name", PIXEL_TRANSFORMS)
def test_log_det_is_that_of_autograd_and_inverse_undoes_forward(name):
    transform = make_pixels(CONFIG.replace(pixels=name)).double()
    images = pixel_values(name)
    outputs, log_det = transform(images)
    for image, expected in zip(images, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: transform(x[None])[0].flatten(), image)
        assert torch.linalg.slogdet(jacobian.reshape(32, 32))[1] == pytest.approx(float(expected), abs=1e-9)
    back, back_log_det = transform.inverse(outputs)
    torch.testing.assert_close(back, images, rtol=0, atol=1e-10)
    torch.testing.assert_close(back_log_det, -log_det)


def test_stabilised_pixels_have_unit_noise():
    sigma, gain = 0.1, 50.0
    rng = np.random.default_rng(2)
    for level, error in (
        (0.0, 0.1),
        (0.5, 0.01),
        (3.0, 0.01),
    ):  # the mirrored branch narrows the sky a little
        noise = np.sqrt(sigma**2 + level / gain)
        values = torch.tensor(rng.normal(level, noise, (1, 1, 400, 400)))
        transform = make_pixels(FlowConfig(softening=(sigma,), gain=(gain,), pixels="stabilised")).double()
        assert float(transform(values)[0].std()) == pytest.approx(1, abs=error)


def test_softening_is_five_times_the_noise_of_each_band():
    rng = np.random.default_rng(3)
    images = rng.normal(0, [[[0.1]], [[0.5]]], (40, 2, 32, 32)).astype("f4")
    images[:, :, 10:16, 10:16] += 50
    np.testing.assert_allclose(measure_softening(images), [0.5, 2.5], rtol=0.03)
    with pytest.raises(ValueError, match="add a dither"):
        measure_softening(np.zeros((3, 1, 8, 8), "f4"))


def test_dequantised_values_stay_in_their_unit_interval():
    images = np.random.default_rng(4).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    values = dequantise(images, torch.Generator().manual_seed(5))
    np.testing.assert_array_equal(values.floor().numpy(), images)
    assert float((values - values.floor()).mean()) == pytest.approx(0.5, abs=0.01)


def test_uniform_eight_bit_noise_costs_eight_bits():
    """A transform alone: log_prob of a uniform density is minus log 256 per value."""
    transform = make_pixels(FlowConfig(pixels="rgb")).double()
    images = torch.rand((10, 1, 8, 8), dtype=torch.float64) * 256
    outputs, log_det = transform(images)
    share = torch.sigmoid(outputs)
    # a logistic density of the outputs is a uniform one of the shares, margin included
    log_prob = (torch.log(share) + torch.log1p(-share)).sum((1, 2, 3)) + log_det
    bits = flows.bits_per_dim(log_prob, 64)
    torch.testing.assert_close(bits, torch.full_like(bits, 8 - np.log2(0.98)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": "log"}, "known: asinh"),
        ({"softening": ()}, "softening is empty"),
        ({"pixels": "stabilised", "gain": ()}, "gain is empty"),
    ],
)
def test_unusable_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        make_pixels(CONFIG.replace(**changes))
