"""Constants of nature are those that astropy tabulates."""

import numpy as np
import pytest
from astropy import constants
from astropy import units as u

from mocks.dust import gas_column
from mocks.light import base
from mocks.readers.hdf5 import units
from mocks.readers.particles import records

CGS = {
    "speed of light": (base.LIGHT_SPEED * 1e-8, constants.c.cgs),
    "solar luminosity": (base.SOLAR_LUMINOSITY, constants.L_sun.cgs),
    "ten parsec": (base.TEN_PARSEC, 10 * constants.pc.cgs),
    "kiloparsec": (units.KPC, constants.kpc.cgs),
    "solar mass": (units.MSUN, constants.M_sun.cgs),
    "Julian year": (units.YEAR, (1 * u.yr).cgs),
    "proton": (records.PROTON_MASS, constants.m_p.cgs),
    "Boltzmann": (records.BOLTZMANN, constants.k_B.cgs),
    "AB magnitude zero": (base.AB_ZERO, (0 * u.ABmag).to(u.erg / u.s / u.cm**2 / u.Hz)),
}


@pytest.mark.parametrize("name", CGS)
def test_constant_is_that_of_astropy(name):
    ours, theirs = CGS[name]
    assert ours == pytest.approx(theirs.value, rel=2e-5)


def test_atoms_in_a_column_of_hydrogen():
    atom = 1.00794 * constants.u
    atoms = (u.Msun / u.kpc**2 / atom).to_value(u.cm**-2)
    assert pytest.approx(atoms, rel=2e-3) == gas_column.ATOMS_PER_CM2


def test_support_of_the_kernel_of_swift():
    """Half the support over the root of the kernel's second moment, Dehnen & Aly 2012: the quartic spline."""
    from mocks.readers.hdf5.fields import SWIFT_SUPPORT

    q = np.linspace(0, 1, 200_001)
    spline = sum(weight * np.maximum(edge - q, 0) ** 4 for weight, edge in ((1, 1), (-5, 0.6), (10, 0.2)))
    mean_square = np.trapezoid(spline * q**4, q) / np.trapezoid(spline * q**2, q) / 3
    assert pytest.approx(1 / (2 * np.sqrt(mean_square)), rel=1e-5) == SWIFT_SUPPORT
