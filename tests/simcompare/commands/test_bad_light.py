"""Stars and gas that have no place in the light: one clear sentence, or a counted warning."""

import logging

import h5py
import numpy as np
import pytest

from mocks import stellar_population
from mocks.galaxy import Stars
from mocks.light.grid import GridPopulation, SpectralGrid, write_grid
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.mock import make_mocks
from simcompare.settings import MockSettings

GAS_STATES = ("InternalEnergy", "ElectronAbundance", "StarFormationRate", "NeutralHydrogenAbundance")


def snapshot_without(folder, **columns):
    """Write a toy snapshot of which columns are set to a number, or taken away where that is None."""
    path = write_tng_snapshot(folder / "toy-1", toy_galaxies("toy-1", 2, 3, gas=True))
    for chunk in path.rglob("snap_*.hdf5"):
        with h5py.File(chunk, "r+") as file:
            for name, value in columns.items():
                for group in ("PartType0", "PartType4"):
                    if name in file.get(group, ()):
                        if value is None:
                            del file[group][name]
                        else:
                            file[group][name][:] = value
    return path


def settings(path, out, **changes):
    usual = {"redshift": 0.05, "size": 32, "workers": 1}
    return MockSettings(inputs=[path], out=out, **(usual | changes))


def write_optical_grid(path):
    """Write a grid of spectra from 3000 to 12,000 Angstrom, up to 3 Gyr."""
    wavelength = np.linspace(3000.0, 12000.0, 500)
    axes = np.array([0.001, 0.01, 0.1]), np.array([6.0, 8.0, 9.5]), wavelength
    write_grid(path, SpectralGrid(*axes, np.full((3, 3, 500), 1e-4)))
    return path


def test_metallicity_zero_is_counted_and_takes_the_edge(tmp_path, caplog):
    path = snapshot_without(tmp_path, GFM_Metallicity=0.0)
    with caplog.at_level(logging.WARNING):
        made = make_mocks(settings(path, tmp_path / "run"))
    said = [record.getMessage() for record in caplog.records if "outside the ages" in record.getMessage()]
    assert len(said) == 1
    assert "100.0 % of the light is from" in said[0]
    assert made.catalogue["light_clamped"].tolist() == pytest.approx([1.0] * len(made))
    assert np.isfinite(made.catalogue["true_mag_r"]).all()


def one_star(age, metallicity):
    values = {"mass": 1.0, "initial_mass": 1.0, "age": age, "metallicity": metallicity}
    return Stars(position=np.zeros((1, 3)), **{name: np.array([value]) for name, value in values.items()})


def test_ages_of_zero_and_beyond_the_grid_take_its_edge():
    """A newborn star is as bright as the youngest of the models; one too old is counted."""
    population = stellar_population("bc03")
    band = ("sdss2010-r",)
    born, young = (population.absolute_flux(one_star(age, 0.02), band, 0.05) for age in (0.0, 1e-4))
    assert born == pytest.approx(young, rel=1e-6)
    assert not population.clamped(one_star(0.0, 0.02)).any()
    grid = population.grid
    short = GridPopulation(
        SpectralGrid(grid.metallicity, grid.log_age[:100], grid.wavelength, grid.spectra[:, :100]), "short"
    )
    last = 10 ** (short.grid.log_age[-1] - 9)
    old, edge = (short.absolute_flux(one_star(age, 0.02), band, 0.05) for age in (12.0, last))
    assert old == pytest.approx(edge, rel=1e-6)
    assert short.clamped(one_star(12.0, 0.02)).all()


def test_wavelengths_beyond_the_grid_end_in_one_sentence(tmp_path, capsys):
    path, grid = snapshot_without(tmp_path), write_optical_grid(tmp_path / "grid.h5")
    code = main(["mock", str(path), "--population", str(grid), "--redshift", "3", "--size", "32",
                 "--workers", "1", "--out", str(tmp_path / "run")])  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert code != 0
    assert [line for line in said if "do not cover sdss2010-r" in line] == [said[-1]]
    assert "spectra from 12000 to 48000 Angstrom (at redshift 3.0)" in said[-1]
    assert not any("Traceback" in line for line in said)


def test_gas_of_unknown_state_ends_in_one_sentence(tmp_path, capsys):
    path = snapshot_without(tmp_path, **dict.fromkeys(GAS_STATES))
    code = main(["mock", str(path), "--dust", "gas-column", "--redshift", "0.05", "--size", "32",
                 "--workers", "1", "--out", str(tmp_path / "run")])  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert code != 0
    assert "needs neutral fractions, temperatures or star formation rates" in said[-1]
    assert "'screen'" in said[-1]


def test_no_group_catalogue_ends_in_one_sentence(tmp_path, capsys):
    path = snapshot_without(tmp_path)
    for chunk in path.rglob("fof_subhalo_tab_*.hdf5"):
        with h5py.File(chunk, "r+") as file:
            if "GroupLenType" in file.get("Group", ()):
                del file["Group/GroupLenType"]
    code = main(["mock", str(path), "--companions", "group", "--redshift", "0.05",
                 "--workers", "1", "--out", str(tmp_path / "run")])  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert code != 0
    assert "no group catalogue (Group/GroupLenType, Subhalo/SubhaloGrNr); give a radius" in said[-1]
