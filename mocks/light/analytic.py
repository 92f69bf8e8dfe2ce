"""The built-in stellar population: polynomials fitted to BC03 magnitudes, of demonstration grade."""

import tomllib
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.polynomial.chebyshev import chebval3d

from mocks.galaxy import Stars
from mocks.light.base import StellarPopulation

__all__ = ["AnalyticPopulation"]


@lru_cache(maxsize=1)
def _fit() -> dict:
    """Coefficients and their errors, from the data file of the package."""
    return tomllib.loads(files("mocks").joinpath("data/analytic_ssp.toml").read_text(encoding="utf-8"))


def _scaled(value, interval) -> np.ndarray:
    """Put an interval onto [-1, 1], values outside at its edge."""
    low, high = interval
    return np.clip((2 * np.asarray(value) - low - high) / (high - low), -1, 1)


class AnalyticPopulation(StellarPopulation):
    """Polynomials in log metallicity, log age and redshift, one set below and one above 10 Myr.

    Of demonstration grade: good to about 0.06 mag (rms) above 10 Myr and 0.15 to 0.25 mag below;
    ``errors`` gives the numbers per filter. For science use a grid of spectra.

    References
    ----------
    Fitted to Bruzual & Charlot 2003, MNRAS 344, 1000 (2016 version, MILES library, Kroupa IMF) with
    ``benchmarks/derive_analytic_ssp.py``.
    """

    name = "analytic"

    @property
    def filters(self) -> tuple[str, ...]:
        """Filters the fit was made for."""
        return tuple(_fit()["filter"])

    def errors(self, filter_name: str) -> dict[str, float]:
        """Differences from the fitted grid in one filter [mag]: rms and maximum, below and above 10 Myr."""
        self._known((filter_name,))
        return {
            key: value
            for key, value in _fit()["filter"][filter_name].items()
            if key.startswith(("rms", "max"))
        }

    def _known(self, filters) -> None:
        """Refuse filters without coefficients."""
        unknown = [name for name in filters if name not in self.filters]
        if unknown:
            raise ValueError(
                f"the analytic population has no fit for {', '.join(unknown)}; it has "
                f"{', '.join(self.filters)}. Use a grid of spectra for others."
            )

    def clamped(self, stars: Stars) -> np.ndarray:
        """Particles outside the fitted ages and metallicities, shape (n,)."""
        domain = _fit()["domain"]
        with np.errstate(divide="ignore"):
            log_age = np.log10(np.maximum(stars.age, 0)) + 9
            log_z = np.log10(np.maximum(stars.metallicity, 0))
        low, high = domain["young"]["log_age"][0], domain["old"]["log_age"][1]
        outside = (log_age < low) | (log_age > high)
        return outside | (log_z < domain["log_metallicity"][0]) | (log_z > domain["log_metallicity"][1])

    def absolute_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Flux of each particle at 10 pc, shape (band, n) [maggies].

        Raises
        ------
        ValueError
            For a filter or a redshift that was not fitted.
        """
        self._known(filters)
        domain = _fit()["domain"]
        if not domain["redshift"][0] <= redshift <= domain["redshift"][1]:
            raise ValueError(
                f"the analytic population was fitted for redshifts {domain['redshift'][0]} to "
                f"{domain['redshift'][1]}, not {redshift:.4g}; use a grid of spectra."
            )
        log_age = np.log10(np.maximum(stars.age, 1e-9)) + 9
        log_z = _scaled(np.log10(np.maximum(stars.metallicity, 1e-9)), domain["log_metallicity"])
        red = np.full(len(stars), _scaled(redshift, domain["redshift"]))
        is_young = log_age < domain["old"]["log_age"][0]
        magnitude = np.empty((len(filters), len(stars)))
        for era, chosen in (("young", is_young), ("old", ~is_young)):
            place = (log_z[chosen], _scaled(log_age[chosen], domain[era]["log_age"]), red[chosen])
            for row, name in zip(magnitude, filters, strict=True):
                row[chosen] = chebval3d(*place, np.array(_fit()["filter"][name][era]))
        return 10 ** (-0.4 * magnitude) * stars.initial_mass
