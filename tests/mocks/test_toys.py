"""Toy galaxies: one population, physics that differ only as stated."""

from dataclasses import replace

import numpy as np
import pytest

from mocks import stream
from mocks.toys import TOY_COSMOLOGY, TOY_GENERATIONS, toy_galaxies, toy_galaxy, toy_structure


@pytest.mark.parametrize("name", TOY_GENERATIONS)
def test_toy_galaxies_are_plausible(name):
    for galaxy in toy_galaxies(name, 4, seed=1):
        stars = galaxy.stars
        assert 10**9.45 < stars.mass.sum() < 10**11.05
        assert 1.0 < galaxy.properties["half_mass_radius"] < 8.0
        assert 100 <= len(stars) <= 30_000
        assert stars.age.min() >= 0.0
        assert stars.age.max() < 13.0
        assert stars.metallicity.min() > 0.0
        assert stars.metallicity.max() <= 0.06
        assert stars.mass.sum() / stars.initial_mass.sum() == pytest.approx(0.6, abs=0.06)
        assert np.abs(np.average(stars.position, axis=0, weights=stars.mass)).max() < 0.8


def test_generations_share_one_population():
    masses = {
        name: [np.log10(toy_structure(stream(2, name, i)).stellar_mass) for i in range(400)]
        for name in ("toy-1", "toy-real")
    }
    assert np.mean(masses["toy-1"]) == pytest.approx(np.mean(masses["toy-real"]), abs=0.1)


def test_same_structure_in_two_generations_differs_in_physics_only():
    structure = replace(toy_structure(stream(3, "structure")), stellar_mass=1e10)
    coarse, fine = (toy_galaxy(name, stream(3, name), structure=structure) for name in ("toy-1", "toy-real"))
    assert coarse.stars.mass.sum() == pytest.approx(fine.stars.mass.sum(), rel=1e-9)
    assert len(coarse.stars) < len(fine.stars) / 5
    ratio = coarse.properties["half_mass_radius"] / fine.properties["half_mass_radius"]
    assert ratio == pytest.approx(1.0, abs=0.35)  # softening swells small galaxies


def test_generations_rise_in_resolution_and_structure():
    order = [TOY_GENERATIONS[name] for name in ("toy-1", "toy-2", "toy-3", "toy-real")]
    for attribute, sign in (
        ("particle_mass", -1),
        ("softening", -1),
        ("arm_strength", 1),
        ("clump_fraction", 1),
    ):
        assert (sign * np.diff([getattr(physics, attribute) for physics in order]) > 0).all()


def test_arms_and_clumps_are_where_the_physics_says():
    structure = replace(toy_structure(stream(4, "structure")), stellar_mass=8e10)
    contrast = {}
    for name in ("toy-1", "toy-real"):
        galaxy = toy_galaxy(name, stream(4, name), structure=structure)
        disc = galaxy.stars.position @ structure.orientation
        radius = np.hypot(disc[:, 0], disc[:, 1])
        inner = (radius > 2.0) & (radius < 8.0)
        angle = np.arctan2(disc[inner, 1], disc[inner, 0])
        scale = structure.half_mass_radius / 1.6783
        spiral = structure.phase - np.log(radius[inner] / scale) / np.tan(structure.pitch)
        wave = np.exp(1j * structure.arms * (angle - spiral))
        contrast[name] = 2 * np.abs(wave.mean())
    assert contrast["toy-real"] > 0.25
    assert contrast["toy-1"] < 0.15


def test_disc_is_flat_and_seen_from_its_orientation():
    structure = toy_structure(stream(5, "structure"))
    galaxy = toy_galaxy("toy-real", stream(5, "stars"), structure=structure)
    young = galaxy.stars.select(galaxy.stars.age < 1.0)
    spread = (young.position @ structure.orientation).std(axis=0)
    assert spread[2] < 0.3 * spread[:2].min()


def test_same_seed_same_galaxy():
    one, two, other = (toy_galaxies("toy-2", 1, seed)[0].stars.position for seed in (7, 7, 8))
    assert np.array_equal(one, two)
    assert other.shape != one.shape or not np.array_equal(one, other)


def test_redshift_limits_ages_and_gas_is_optional():
    galaxy = toy_galaxy("toy-1", stream(6, "z"), redshift=2.0, gas=True)
    assert galaxy.stars.age.max() < TOY_COSMOLOGY.age(2.0).value
    assert len(galaxy.gas) > 0
    assert toy_galaxy("toy-1", stream(6, "z")).gas is None


def test_unknown_toy_is_refused():
    with pytest.raises(ValueError, match="toy-1, toy-2, toy-3, toy-real"):
        toy_galaxy("toy-9", np.random.default_rng(0))
