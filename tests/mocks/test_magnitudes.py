"""AB magnitudes by hand: 1 nanomaggy is 22.5, a hundred times the light 5 mag less."""

import numpy as np
import pytest

from mocks.magnitudes import magnitude_of, nanomaggies_of

FLUX = {27.5: 0.01, 25.0: 0.1, 22.5: 1.0, 20.0: 10.0, 17.5: 100.0, 21.0: 3.9810717}


def test_fluxes_and_magnitudes_are_those_of_pogson():
    assert nanomaggies_of(np.array(list(FLUX))) == pytest.approx(list(FLUX.values()))
    assert magnitude_of(np.array(list(FLUX.values()))) == pytest.approx(list(FLUX))
    assert nanomaggies_of(np.inf) == 0
