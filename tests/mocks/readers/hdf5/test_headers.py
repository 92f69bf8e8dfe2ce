"""What headers of simulations tell: the run by its published numbers, and the redshift."""

import numpy as np
import pytest

from mocks.readers.hdf5.headers import RUNS, redshift_of, run_name

# Side [Mpc] and mass of a dark matter particle [Msun] as the papers round them: Nelson et al. 2019 and 2015,
# table 1 each; McAlpine et al. 2016, table 2.
PUBLISHED = {
    "TNG50-1": (51.7, 4.5e5), "TNG50-2": (51.7, 3.6e6), "TNG50-3": (51.7, 2.9e7), "TNG50-4": (51.7, 2.3e8),
    "TNG100-1": (110.7, 7.5e6), "TNG100-2": (110.7, 6.0e7), "TNG100-3": (110.7, 4.8e8),
    "TNG300-1": (302.6, 5.9e7), "TNG300-2": (302.6, 4.7e8), "TNG300-3": (302.6, 3.8e9),
    "Illustris-1": (106.5, 6.3e6), "Illustris-2": (106.5, 5.0e7), "Illustris-3": (106.5, 4.0e8),
    "EAGLE-RefL0100N1504": (100.0, 9.70e6), "EAGLE-RefL0050N0752": (50.0, 9.70e6),
    "EAGLE-RefL0025N0376": (25.0, 9.70e6), "EAGLE-RecalL0025N0752": (25.0, 1.21e6),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_run_is_known_by_its_published_box_and_particles(name):
    """Headers count in cMpc/h or ckpc/h and 1e10 Msun/h, and round."""
    run, (box, mass) = RUNS[name], PUBLISHED[name]
    assert run.box / run.h == pytest.approx(box, rel=1e-3)
    assert run.dark_matter_mass * 1e10 / run.h == pytest.approx(mass, rel=0.015)
    header = {"HubbleParam": run.h, "Omega0": run.omega_m, "MassTable": np.array([0, run.dark_matter_mass])}
    for unit in (1.0, 1000.0):
        for rounding in (0.9995, 1.0005):
            assert run_name(header | {"BoxSize": rounding * unit * run.box}, "unknown") == name
    other = header | {"BoxSize": run.box, "MassTable": np.array([0, 1.05 * run.dark_matter_mass])}
    assert run_name(other, "unknown") == "unknown"
    assert run_name(other | {"RunLabel": " mine "}, "unknown") == "mine"


def test_runs_without_particle_masses_have_their_published_boxes():
    """Comoving sides of 25 Mpc/h, 100 Mpc/h and 50 Mpc."""
    assert (RUNS["CAMELS-TNG"].box, RUNS["Horizon-AGN"].box) == (25.0, 100.0)
    assert RUNS["COLIBRE-L0050"].box / RUNS["COLIBRE-L0050"].h == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("L35n2160TNG", "TNG50-1"),
        ("L75n910TNG", "TNG100-2"),
        ("L205n625TNG", "TNG300-3"),
        ("L75n455FP", "Illustris-3"),
        ("L75n1820FP", "Illustris-1"),
        ("L680n1024TNG", "L680n1024TNG"),
        (' "Mine" ', "Mine"),
    ],
)
def test_names_of_the_servers_are_those_of_the_papers(stated, name):
    assert run_name({"SimulationName": stated}, "unknown") == name


@pytest.mark.parametrize(
    ("header", "redshift"),
    [
        ({"Redshift": 0.5, "Time": 0.1}, 0.5),
        ({"Redshift": 0}, 0.0),
        ({"Redshift": -0.005}, 0.0),
        ({"Time": 0.5}, 1.0),
        ({"Time": 1.0}, 0.0),
        ({"Time": 0.0, "ExpansionFactor": 0.25}, 3.0),
        ({"Time": -1.0, "Scale-factor": 0.8}, 0.25),
        ({"Redshift": 199.0}, 199.0),
    ],
)
def test_redshift_by_whichever_number_the_header_has(header, redshift):
    assert redshift_of("x.hdf5", header) == pytest.approx(redshift)


@pytest.mark.parametrize(
    "header",
    [{}, {"Time": 0.0}, {"Redshift": -0.02}, {"Redshift": 200.0}, {"Redshift": "1"}, {"Time": 0.001}],
)
def test_no_redshift_that_an_output_can_have(header):
    with pytest.raises(ValueError, match=r"x.hdf5: the Header gives no redshift between 0 and 200"):
        redshift_of("x.hdf5", header)
