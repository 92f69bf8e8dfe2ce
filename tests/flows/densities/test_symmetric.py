"""The flow that is symmetric by construction: its layers, its invariance, its density."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from flows import FlowConfig, FlowModel, symmetries
from flows.densities.fields import Layout
from flows.densities.symmetric import (
    DETAIL,
    FieldAffine,
    FieldCoupling,
    FieldNorm,
    FieldNormal,
    affine,
    hidden_layout,
)
from flows.densities.wavelet import LayeredFlow


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shaken(module: torch.nn.Module, seed: int = 0, size: float = 0.1) -> torch.nn.Module:
    """The module in float64 with every weight moved, as if trained."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return module.double().eval()


def model_of(size: int = 16, n_bands: int = 1, **changes) -> FlowModel:
    config = FlowConfig(
        size=size, n_bands=n_bands, softening=(0.5,) * n_bands, widths=(8,), steps=(2,),
        architecture="symmetric",
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return shaken(FlowModel(config.replace(**changes)))


def slogdet(function, image: torch.Tensor) -> float:
    """Log absolute determinant of the Jacobian by automatic differentiation."""
    jacobian = torch.autograd.functional.jacobian(
        lambda x: function(x[None]).flatten(), image, vectorize=True
    )
    return float(torch.linalg.slogdet(jacobian.reshape(image.numel(), image.numel()))[1])


def layers(bands: int, kernel: int = 3) -> dict:
    features, hidden = hidden_layout(8), hidden_layout(8, bands)
    made = {
        "norm": FieldNorm(DETAIL, bands),
        "affine": FieldAffine(DETAIL, features, bands),
        "vector": FieldCoupling(DETAIL, "vector", features, hidden, kernel, 2.0),
        "xy": FieldCoupling(DETAIL, "xy", features, hidden, kernel, 2.0),
    }
    if bands > 1:
        made["bands"] = FieldCoupling(DETAIL, None, features, hidden, kernel, 2.0)
    return {name: shaken(layer) for name, layer in made.items()}


@pytest.mark.parametrize(
    ("layer", "bands"),
    [*((name, n) for name in ("norm", "affine", "vector", "xy") for n in (1, 3)), ("bands", 3)],
)
def test_layers_log_det_equals_autograd_and_inverse_undoes(layer, bands):
    transform = layers(bands)[layer]
    side = 4 if bands == 1 else 2
    inputs, context = normal(2, 3 * bands, side, side), normal(2, 8, side, side, seed=2)
    outputs, log_det = transform(inputs, context)
    assert (outputs - inputs).abs().max() > 0.003
    expected = slogdet(lambda x: transform(x, context[:1])[0], inputs[0])
    assert log_det[0].item() == pytest.approx(expected, abs=1e-9)
    back, back_log_det = transform.inverse(outputs, context)
    torch.testing.assert_close(back, inputs)
    torch.testing.assert_close(back_log_det, -log_det)


def test_vectors_are_multiplied_by_the_exponential_of_a_symmetric_matrix():
    a, b, c, clamp = 0.3, -0.4, 0.2, 100.0  # a bound so far off that it changes nothing
    values, shift = np.array([0.7, -1.1]), np.array([0.5, 0.25])
    numbers = torch.tensor([*shift, a, b, c], dtype=torch.float64).view(1, 5, 1, 1)
    found, log_det = affine(torch.from_numpy(values).view(1, 2, 1, 1), numbers, ("vector",), 1, clamp)
    expected = expm(np.array([[a + b, c], [c, a - b]])) @ (values + shift)
    np.testing.assert_allclose(found.flatten(), expected, rtol=1e-4)
    assert log_det.item() == pytest.approx(2 * a, rel=1e-4)


def test_norm_takes_one_scale_for_both_planes_of_a_vector_from_its_first_batch():
    layer = FieldNorm(DETAIL, 1)
    inputs = torch.tensor([2.0, 4.0, 0.5]).view(3, 1, 1) * normal(400, 3, 8, 8).float()
    layer.awaits_data = True
    outputs = layer(inputs)[0]
    power = outputs.square().mean((0, 2, 3)).tolist()
    assert power == pytest.approx([0.4, 1.6, 1.0], rel=0.03)  # 4 and 16 over their mean of 10
    assert not layer.awaits_data


@pytest.mark.parametrize(("n_bands", "context"), [(1, ()), (3, ("a", "b"))])
@pytest.mark.parametrize(("precision", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_the_eight_orientations_have_one_log_prob(n_bands, context, precision, bound):
    """To rounding: all eight, whole and by scale, with light from empty sky to a bright core."""
    model = model_of(n_bands=n_bands, context=context).to(precision)
    images = normal(6, n_bands, 16, 16).to(precision)
    images[:, :, 5:8, 9:12] += 30
    given = normal(6, 2).float() if context else None
    budgets = torch.stack([model.budget(turned, given) for turned in symmetries(images)])
    assert (budgets - budgets[0]).abs().max() < bound
    assert (model.log_prob(images, given) - model.log_prob(images.roll(1, -1), given)).abs().min() > 1e-3


def test_maps_turn_with_the_image():
    model = model_of(n_bands=2)
    images = normal(3, 2, 16, 16)
    expected = symmetries(model.map(images))
    for turned, plane in zip(symmetries(images), expected, strict=True):
        torch.testing.assert_close(model.map(turned), plane)


@pytest.mark.parametrize(("n_bands", "coarsest"), [(1, 2), (2, 2), (1, 1), (1, 4)])
def test_log_prob_is_base_density_plus_autograd_log_det(n_bands, coarsest):
    """From nothing but the latents and the Jacobian of the whole chain, pixels to latents."""
    size = max(8, 4 * coarsest)
    model = model_of(size, n_bands, coarsest=coarsest, context=("a",))
    images, context = normal(2, n_bands, size, size), normal(2, 1).float()

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
    assert float(model.log_prob(images, context)[0]) == pytest.approx(base + log_det, abs=1e-7)


def test_three_dimensional_density_integrates_to_one():
    """The detail of one place: a grid sum over its three coefficients."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = list(layers(1, kernel=1).values())
        flow = shaken(LayeredFlow(made, FieldNormal(DETAIL, 1), 3), size=0.1)
    axis = torch.linspace(-20, 20, 81, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3, 1, 1)
    features = normal(1, 8, 1, 1)
    with torch.no_grad():
        nats = [flow.log_prob(part, features.expand(len(part), -1, -1, -1)) for part in grid.split(100_000)]
    total = torch.cat(nats).exp().sum() * (axis[1] - axis[0]) ** 3
    assert float(total) == pytest.approx(1, abs=2e-3)


def test_nats_of_a_band_do_not_depend_on_the_bands_after_it():
    model = model_of(8, n_bands=3)
    images = normal(4, 3, 8, 8)
    changed = images.clone()
    changed[:, 2, ::2] += 1  # a pattern within blocks of 2x2 pixels, so no coarser image changes
    changed[:, 2, 1::2] -= 1
    change = model.density.terms(changed, None)[0] - model.density.terms(images, None)[0]
    assert change[:, :2].abs().max() < 1e-12
    assert change[:, 2].abs().min() > 1e-6


def test_coarser_scales_are_told_as_one():
    model = model_of(size=32, coarsest=4)
    assert model.scale_names == ("pixels 1-2", "pixels 2-4", "pixels 4-8", "pixels 8 and more")
    assert model.density.scale_dims == (3 * 256, 3 * 64, 3 * 16, 16)
    assert Layout(DETAIL).channels == 3
    images = normal(2, 1, 32, 32)
    torch.testing.assert_close(model.budget(images).sum(1), model.log_prob(images))


def test_saved_equals_loaded(tmp_path):
    model = model_of().float()
    images = normal(3, 1, 16, 16).float()
    loaded = FlowModel.load(model.save(tmp_path / "model"))
    assert loaded.is_symmetric
    assert torch.equal(loaded.log_prob(images), model.log_prob(images))
