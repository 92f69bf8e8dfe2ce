"""The density itself: Haar pyramid, log-determinants, exact splits, inverse, sampling."""

import math

import numpy as np
import pytest
import torch

from flows import ARCHITECTURES, FlowConfig, FlowModel
from flows.densities import haar
from flows.densities.layers import ActNorm, ConditionalAffine, Coupling, Mixing, SpreadNormal
from flows.densities.wavelet import ScaleFlow


def shaken(module: torch.nn.Module, seed: int = 0, size: float = 0.2) -> torch.nn.Module:
    """The module in float64 with every weight moved, as if trained."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return module.double().eval()


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slogdet(function, image: torch.Tensor) -> float:
    """Log absolute determinant of the Jacobian by automatic differentiation."""
    jacobian = torch.autograd.functional.jacobian(lambda x: function(x[None]).flatten(), image)
    return float(torch.linalg.slogdet(jacobian.reshape(image.numel(), image.numel()))[1])


def test_haar_is_orthonormal_and_exactly_undone():
    images = normal(3, 2, 8, 8)
    coarse, detail = haar.split(images)
    torch.testing.assert_close(haar.join(coarse, detail), images)
    power = coarse.square().sum() + detail.square().sum()
    torch.testing.assert_close(power, images.square().sum())
    torch.testing.assert_close(coarse[:, :, 0, 0], images[:, :, :2, :2].sum((2, 3)) / 2)


def test_mosaic_is_undone():
    image = normal(2, 2, 16, 16)
    torch.testing.assert_close(haar.mosaic(*haar.unmosaic(image, 2)), image)


@pytest.mark.parametrize(("size", "bands"), [(4, 1), (8, 1), (4, 2)])
@pytest.mark.parametrize("layer", ["actnorm", "mixing", "affine", "coupling"])
def test_layers_log_det_equals_autograd_and_inverse_undoes(layer, size, bands):
    channels, features = 3 * bands, 5
    made = {
        "actnorm": lambda: ActNorm(channels, bands),
        "mixing": lambda: Mixing(channels, bands),
        "affine": lambda: ConditionalAffine(channels, features, 2.0, bands),
        "coupling": lambda: Coupling(channels, features, 6, 3, 2.0, bands),
    }[layer]()
    transform = shaken(made)
    inputs, context = normal(2, channels, size, size), normal(2, features, size, size, seed=2)
    outputs, log_det = transform(inputs, context)
    expected = slogdet(lambda x: transform(x, context[:1])[0], inputs[0])
    assert log_det[0].item() == pytest.approx(expected, abs=1e-9)
    back, back_log_det = transform.inverse(outputs, context)
    torch.testing.assert_close(back, inputs)
    torch.testing.assert_close(back_log_det, -log_det)


def test_actnorm_takes_mean_and_deviation_from_its_first_batch():
    layer, inputs = ActNorm(3), 5 + 2 * normal(20, 3, 8, 8).float()
    layer.awaits_data = True
    outputs = layer(inputs)[0]
    assert outputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (outputs.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert not layer.awaits_data


def test_base_density_integrates_to_one_and_its_latents_are_normal():
    base = shaken(SpreadNormal(1), size=1.0).requires_grad_(False)
    grid = torch.linspace(-80, 80, 400001, dtype=torch.float64)
    density = base.local_log_prob(grid.view(-1, 1, 1, 1)).exp().flatten()
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=1e-8)
    values = torch.linspace(-9, 9, 61, dtype=torch.float64).view(-1, 1, 1, 1)
    latents = base.to_normal(values)
    torch.testing.assert_close(base.from_normal(latents), values, rtol=1e-9, atol=1e-9)
    # equal probability below: the integral of the density up to -1 is that of a normal up to its latent
    below = torch.trapezoid(density[grid <= -1], grid[grid <= -1])
    latent = base.to_normal(torch.full((1, 1, 1, 1), -1.0, dtype=torch.float64))
    assert float(torch.special.ndtr(latent)) == pytest.approx(float(below), abs=2e-4)


def model_of(architecture: str = "wavelet", **changes) -> FlowModel:
    """A small model in float64 with weights as if trained."""
    n_bands = changes.get("n_bands", 1)
    config = FlowConfig(
        size=8,
        n_bands=n_bands,
        softening=(0.5,) * n_bands,
        widths=(6,),
        steps=(2,),
        architecture=architecture,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return shaken(FlowModel(config.replace(**changes)), size=0.1)


@pytest.mark.parametrize("n_bands", [1, 2])
def test_log_prob_is_base_density_plus_autograd_log_det(n_bands):
    """From nothing but the latents and the Jacobian of the whole chain, pixels to latents."""
    model = model_of(n_bands=n_bands, context=("a",))
    images, context = normal(2, n_bands, 8, 8), normal(2, 1).float()

    def scales(image: torch.Tensor) -> list[torch.Tensor]:
        density, inputs = model.density, model.pixels(image)[0]
        given = model.standardise(context[:1])
        return [
            density.scales[level].local(detail, density._features(level, coarse, given))[0]
            for level, (coarse, detail) in enumerate(density._pyramid(inputs))
        ]

    log_det = slogdet(lambda x: torch.cat([part.flatten() for part in scales(x)]), images[0])
    bases = [scale._distribution for scale in model.density.scales]
    base = sum(b.log_prob(part).item() for b, part in zip(bases, scales(images[:1]), strict=True))
    assert float(model.log_prob(images, context)[0]) == pytest.approx(base + log_det, abs=1e-8)


def test_two_dimensional_density_integrates_to_one():
    """Two channels at one place: a grid sum over the plane, for two values of the condition."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        flow = shaken(ScaleFlow(channels=2, features=3, width=8, steps=3, kernel=1, clamp=2.0), size=0.2)
    axis = torch.linspace(-60, 60, 601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2, 1, 1)
    for seed in (1, 2):
        features = normal(1, 3, 1, 1, seed=seed).expand(len(grid), -1, -1, -1)
        with torch.no_grad():
            density = flow.log_prob(grid, context=features).exp().reshape(len(axis), -1)
        total = torch.trapezoid(torch.trapezoid(density, axis), axis)
        assert float(total) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("n_bands", "context"), [(1, ()), (3, ("a", "b"))])
def test_inverse_undoes_latents(architecture, n_bands, context):
    model = model_of(architecture, n_bands=n_bands, context=context)
    images, given = normal(4, n_bands, 8, 8), normal(4, 2).float() if context else None
    latents = model.latents(images, given)
    assert latents.shape == images.shape
    torch.testing.assert_close(model.inverse(latents, given), images, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scales_and_places_sum_to_log_prob(architecture):
    model = model_of(architecture, n_bands=2, size=16)
    images = normal(5, 2, 16, 16)
    log_prob, budget = model.log_prob(images), model.budget(images)
    assert budget.shape == (5, len(model.scale_names))
    assert sum(model.density.scale_dims) == model.config.n_dim
    torch.testing.assert_close(budget.sum(1), log_prob, rtol=1e-12, atol=0)
    if model.density.is_local:
        by_band = model.budget(images, by_band=True)
        assert by_band.shape == (5, len(model.scale_names), 2)
        torch.testing.assert_close(by_band.sum(2), budget, rtol=1e-12, atol=0)
    else:
        with pytest.raises(ValueError, match="use 'wavelet' for bands"):
            model.budget(images, by_band=True)
    if model.density.is_local:
        assert model.map(images).shape == (5, 16, 16)
        torch.testing.assert_close(model.map(images).sum((1, 2)), log_prob, rtol=1e-12, atol=0)
    else:
        with pytest.raises(ValueError, match="use 'wavelet' for maps"):
            model.map(images)


def test_nats_of_a_band_do_not_depend_on_the_bands_after_it():
    """The chain rule over bands: a change of the last band's fine detail leaves the others' terms alone."""
    model = model_of(n_bands=3)
    images = normal(4, 3, 8, 8)
    changed = images.clone()
    changed[:, 2, ::2] += 1  # a pattern within blocks of 2x2 pixels, so no coarser image changes
    changed[:, 2, 1::2] -= 1
    change = model.density.terms(changed, None)[0] - model.density.terms(images, None)[0]
    assert change[:, :2].abs().max() < 1e-12
    assert change[:, 2].abs().min() > 1e-6


@pytest.mark.parametrize(
    "changes",
    [{"coarsest": 1}, {"size": 16, "coarsest": 4}, {"n_bands": 5}, {"steps": (1, 3), "widths": (4, 8)}],
)
def test_every_shape_of_pyramid_is_exact(changes):
    model = model_of(**changes)
    images = normal(2, model.config.n_bands, model.config.size, model.config.size)
    torch.testing.assert_close(model.inverse(model.latents(images)), images, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.map(images).sum((1, 2)), model.log_prob(images))
    assert torch.isfinite(model.log_prob(1e8 * images)).all()


def test_map_says_where_the_odd_pixel_is():
    model = model_of(size=16)
    images = 0.1 * normal(1, 1, 16, 16)
    odd = images.clone()
    odd[0, 0, 3, 12] += 20
    loss = (model.map(images) - model.map(odd))[0]
    assert np.unravel_index(int(loss.argmax()), (16, 16)) in {(y, x) for y in (2, 3) for x in (12, 13)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_batches_and_single_images_agree(architecture):
    model = model_of(architecture)
    images = normal(5, 1, 8, 8)
    alone = torch.cat([model.log_prob(image[None]) for image in images])
    torch.testing.assert_close(alone, model.log_prob(images, batch_size=2))
    torch.testing.assert_close(alone, model.log_prob(images.numpy()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_samples_rescored_reproduce_the_entropy(architecture):
    """The mean of -log_prob over samples is the entropy, which the latents' density gives as well."""
    model = model_of(architecture).float()
    generator = torch.Generator().manual_seed(4)
    samples = model.sample(1500, generator=generator)
    log_prob = model.log_prob(samples)
    latents = model.latents(samples)
    assert latents.mean().abs() < 0.015
    assert abs(float(latents.square().mean()) - 1) < 0.02
    # the same density, from independent draws
    again = model.log_prob(model.sample(1500, generator=generator))
    error = math.hypot(float(log_prob.std()), float(again.std())) / math.sqrt(1500)
    assert abs(float(log_prob.mean() - again.mean())) < 4 * error
    cold = model.log_prob(model.sample(200, generator=generator, temperature=0.5))
    assert cold.mean() > log_prob.mean()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_gets_a_gradient(architecture):
    model = model_of(architecture, n_bands=2, context=("a",))
    model.scale_terms(normal(4, 2, 8, 8), normal(4, 1)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_fresh_model_also_gives_every_parameter_a_gradient(architecture):
    config = FlowConfig(size=16, n_bands=1, softening=(0.5,), context=("a",), architecture=architecture)
    model = FlowModel(config)
    model.scale_terms(normal(8, 1, 16, 16).float(), normal(8, 1).float()).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without
