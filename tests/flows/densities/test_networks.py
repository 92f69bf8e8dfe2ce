"""Networks and layers against the same written out in numpy, and whole densities against stored numbers."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from scipy.special import log_ndtr, logsumexp
from scipy.stats import norm

from flows import ARCHITECTURES, FlowConfig, FlowModel
from flows.densities import haar
from flows.densities.conditioners import ContextConditioner, GlowConditioner, WaveletConditioner
from flows.densities.layers import (
    ActNorm,
    Coupling,
    Mixing,
    SpreadNormal,
    bounded,
    by_band,
    pointwise,
    started_small,
)


def waved(module: torch.nn.Module, size: float = 0.3) -> torch.nn.Module:
    """The module in float64 with weights that need no random numbers."""
    start = 0
    for parameter in module.parameters():
        values = size * torch.cos(1.7 * torch.arange(start, start + parameter.numel()).double() + 0.4)
        parameter.data = values.reshape(parameter.shape)
        start += parameter.numel()
    for name, buffer in module.named_buffers():
        if name.endswith("_permutation"):
            buffer.copy_(torch.arange(len(buffer)).flip(0))
    return module.double().eval()


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def convolved(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(channel, y, x) by weights (output, channel, y, x), with zeros beyond the edge."""
    sums = [
        sum(correlate(plane, kernel, mode="same") for plane, kernel in zip(image, each, strict=True))
        for each in weight
    ]
    return np.stack(sums) + bias[:, None, None]


def silu(values: np.ndarray) -> np.ndarray:
    return values / (1 + np.exp(-values))


@pytest.mark.parametrize(("grid", "n_context"), [(5, 2), (4, 0), (1, 2), (2, 0)])
def test_conditioner_of_the_wavelets_is_its_formula(grid, n_context):
    """Level 2: the Haar average is 4 times the mean pixel; radius 1 at the middle of an edge."""
    module = waved(WaveletConditioner(2, 3, n_context, grid, 2, 0.5))
    coarse, context = numbers(2, grid, grid), numbers(n_context, seed=1)
    given = torch.tensor(context)[None] if n_context else None
    found = module(torch.tensor(coarse)[None], given)[0].detach().numpy()
    p = arrays(module)
    mean = coarse / 4
    axis = np.arange(grid) - (grid - 1) / 2
    radius = np.hypot(axis[:, None], axis) / max(grid / 2, 1)
    planes = np.concatenate([mean, np.tanh(4 * mean), radius[None]])
    hidden = silu(convolved(planes, p["first.weight"], p["first.bias"]))
    whole = p["whole.weight"] @ hidden.mean((1, 2)) + p["whole.bias"]
    if n_context:
        inner = silu(p["modulation.0.weight"] @ context + p["modulation.0.bias"])
        assert inner.shape == (32,)
        scale, shift = np.split(p["modulation.2.weight"] @ inner + p["modulation.2.bias"], 2)
        hidden, whole = hidden * (1 + scale[:, None, None]), whole + shift
    expected = silu(convolved(hidden, p["second.weight"], p["second.bias"]) + whole[:, None, None])
    np.testing.assert_allclose(found, expected, atol=1e-6)  # the radius is held in float32


def test_conditioners_of_context_and_of_glow_are_their_formulae():
    module, context = waved(ContextConditioner(4, 2)), numbers(3, 2)
    found = module(torch.zeros(3, 1, 5, 5).double(), torch.tensor(context)).detach().numpy()
    p = arrays(module)
    inner = silu(np.column_stack([np.ones(3), context]) @ p["first.weight"].T + p["first.bias"])
    expected = silu(inner @ p["second.weight"].T + p["second.bias"])
    np.testing.assert_allclose(found, expected[:, :, None, None])
    module, image = waved(GlowConditioner(2, 3, 4, 1, 0.0)), numbers(2, 5, 6)
    found = module(torch.tensor(image)[None], torch.tensor([[0.7]], dtype=torch.float64))[0].detach().numpy()
    p = arrays(module)
    hidden = np.maximum(convolved([*image, np.full((5, 6), 0.7)], p["first.weight"], p["first.bias"]), 0)
    hidden = np.maximum(convolved(hidden, p["second.weight"], p["second.bias"]), 0)
    np.testing.assert_allclose(found, convolved(hidden, p["last.weight"], p["last.bias"]), atol=1e-12)


def test_haar_details_have_their_signs_and_places():
    """Rows from the bottom: 1 2 and 3 5 above."""
    image = torch.tensor([[1.0, 2], [3, 5]])[None, None]
    coarse, detail = haar.split(image)
    assert coarse.item() == 5.5
    assert detail.flatten().tolist() == [-1.5, -2.5, 0.5]  # left - right, bottom - top, diagonal
    laid = haar.mosaic(coarse, [detail])[0, 0]
    assert laid.tolist() == [[5.5, -1.5], [-2.5, 0.5]]
    two = haar.split(torch.cat([image, 10 * image], 1))[1].flatten().tolist()
    assert two == [-1.5, -15, -2.5, -25, 0.5, 5]  # blocks of bands


def test_layers_before_training():
    actnorm, base = ActNorm(4), SpreadNormal(2)
    values = torch.tensor(numbers(3, 4, 5, 5)).float()
    assert torch.equal(actnorm(values)[0], values)
    share, width = torch.sigmoid(base.logit_share), torch.nn.functional.softplus(base.log_excess).exp()
    assert share.flatten().tolist() == pytest.approx([0.0067, 0.0067], abs=1e-4)
    assert width.flatten().tolist() == pytest.approx([3.014, 3.014], abs=1e-3)
    torch.manual_seed(0)
    layer = started_small(torch.nn.Linear(400, 300))
    assert layer.weight.std().item() == pytest.approx(0.01 / 20, rel=0.02)
    assert not layer.bias.any()
    # A batch in which a channel does not vary leaves finite numbers.
    actnorm.awaits_data = True
    actnorm(torch.ones(2, 4, 3, 3))
    assert actnorm.log_scale.flatten().tolist() == pytest.approx([np.log(1e6)] * 4)


def test_mixing_before_training_turns_the_channels_of_each_band_by_one_half():
    """Channels c of bands c modulo 2: of six, the three of a band turn by one."""
    values = torch.arange(6.0).view(1, 6, 1, 1)
    assert Mixing(6, 2)(values)[0].flatten().tolist() == [2, 3, 4, 5, 0, 1]
    assert Mixing(4)(values[:, :4])[0].flatten().tolist() == [2, 3, 0, 1]


def test_sums_bounds_and_products():
    values = torch.arange(24.0).view(1, 6, 2, 2)
    assert by_band(values, 2)[0, :, 0, 0].tolist() == [0 + 8 + 16, 4 + 12 + 20]
    assert by_band(values, 1)[0, 0, 1, 1].item() == 3 + 7 + 11 + 15 + 19 + 23
    assert bounded(torch.tensor([0.02, 50.0, -50.0]), 2.0).tolist() == pytest.approx([0.02, 2, -2], rel=1e-3)
    weight, bias = torch.tensor(numbers(3, 6)).float(), torch.tensor([0.1, 0.2, 0.3])
    for side in (2, 8, 9, 12):
        inputs = torch.tensor(numbers(2, 6, side, side, seed=side)).float()
        expected = np.einsum("oi,niyx->noyx", weight, inputs) + bias[:, None, None].numpy()
        np.testing.assert_allclose(pointwise(inputs, weight, bias), expected, atol=1e-5)


@pytest.mark.parametrize(("channels", "bands"), [(3, 1), (6, 2), (9, 3), (4, 1)])
def test_coupling_keeps_the_first_half_and_knows_no_later_band(channels, bands):
    layer = waved(Coupling(channels, 4, 8, 3, 2.0, bands))
    kept = channels // bands // 2 * bands
    inputs = torch.tensor(numbers(1, channels, 6, 6))
    features = torch.tensor(numbers(1, 4, 6, 6, seed=2))
    outputs, log_det = layer.local(inputs, features)
    assert torch.equal(outputs[:, :kept], inputs[:, :kept])
    assert (outputs[:, kept:] != inputs[:, kept:]).all()
    assert log_det.shape == (1, bands, 6, 6)
    for band in range(bands):
        other = inputs.clone()
        other[:, band] += 1  # a kept channel of this band
        change = (layer.local(other, features)[0] - outputs).abs().amax((0, 2, 3))[kept:]
        changed = {channel for channel in range(kept, channels) if change[channel - kept] > 1e-12}
        assert changed == {channel for channel in range(kept, channels) if channel % bands >= band}


def test_base_density_is_a_sum_of_two_normals():
    base = waved(SpreadNormal(3, 3), 2.0)
    share = 1 / (1 + np.exp(-base.logit_share.detach().numpy().ravel()))
    width = 1 + np.exp(base.log_excess.detach().numpy().ravel())  # exp(softplus)
    values = np.linspace(-8, 8, 33)
    for c in range(3):
        inputs = torch.zeros(33, 3, 1, 1).double()
        inputs[:, c, 0, 0] = torch.tensor(values)
        found = base.local_log_prob(inputs)[:, c, 0, 0].detach().numpy()
        density = (1 - share[c]) * norm.pdf(values) + share[c] * norm.pdf(values, scale=width[c])
        np.testing.assert_allclose(found, np.log(density), rtol=1e-9)
        above = logsumexp(
            [log_ndtr(-np.abs(values)), log_ndtr(-np.abs(values) / width[c])],
            axis=0,
            b=np.array([1 - share[c], share[c]])[:, None],
        )
        normal = base.to_normal(inputs)[:, c, 0, 0].detach().numpy()
        np.testing.assert_allclose(log_ndtr(-np.abs(normal)), above, rtol=1e-9)
    draws = base.draw((200_000, 3, 1, 1), torch.Generator().manual_seed(0), 0.5).detach().numpy()[:, :, 0, 0]
    expected = 0.25 * (1 - share + share * width**2)
    np.testing.assert_allclose((draws**2).mean(axis=0), expected, rtol=0.05)


# As of version 0.1, in float64: what moves these moves the scores of the shipped models too.
STORED = {
    "wavelet": (-188.43509745, -169.31974355),
    "symmetric": (-187.57181305, -171.74186895),
    "glow": (-242.72337526, -224.06836105),
    "glow-spline": (-233.52523328, -218.15166907),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_densities_have_the_numbers_they_had(architecture):
    config = FlowConfig(
        size=8, n_bands=2, softening=(0.5, 0.8), widths=(6, 4), steps=(2,), context=("a",),
        architecture=architecture,
    )  # fmt: skip
    model = waved(FlowModel(config), 0.1)
    y, x = np.mgrid[:8, :8]
    images = np.stack([3 * np.exp(-((x - 3) ** 2 + (y - 4) ** 2) / k) for k in (4, 9)])
    images = np.stack([images, images[::-1] * np.cos(x)])
    found = model.log_prob(images, np.array([[0.3], [-0.8]])).tolist()
    assert found == pytest.approx(STORED[architecture], rel=1e-6)
