"""Every column of a score table: what it means, its unit, how it is drawn and what it is used for.

To add a score, write one entry here, with the function that makes it unless `likelihood.score`
does: tables, figures, report and JSON read this list.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Any

import numpy as np

__all__ = [
    "COLUMNS",
    "Column",
    "Use",
    "axis_label",
    "column_of",
    "derived_columns",
    "in_words",
    "names_for",
    "unit_label",
]


class Use(Flag):
    """What a column serves for."""

    NONE = 0
    SCORE = auto()  # compared as a whole: its distribution is drawn, its differences stand in the report
    NUISANCE = auto()  # of the observation or the sample: adjusted for, matched in
    SHAPE = auto()  # a feature of the tests without a likelihood
    RELATION = auto()  # scores are drawn against it
    MATCH = auto()  # galaxies are paired in it for the figure of matched samples
    BIN = auto()  # distributions are drawn in bins of it


@dataclass(frozen=True)
class Column:
    """One column, or all whose names fit a pattern.

    Parameters
    ----------
    meaning : str
        Description; ``{}`` is what stands for the star of a pattern.
    unit : str
        As astropy writes it, or "nat".
    label : str
        In figures and sentences; default the name.
    uses : Use
    is_logarithmic : bool
        Whether its values span decades: axes and distances are in the logarithm.
    higher_is_real : bool, optional
        Whether real galaxies have higher values than images of nothing; None where neither side is better.
    needs : tuple of str
        Columns that `make` reads.
    make : callable, optional
        From `Scores` to the values, shape (n,); such a column is not stored but made when it is read.
    """

    meaning: str
    unit: str = ""
    label: str = ""
    uses: Use = Use.NONE
    is_logarithmic: bool = False
    higher_is_real: bool | None = None
    needs: tuple[str, ...] = ()
    make: Callable[[Any], np.ndarray] | None = None


LEAST_RATE = 10**-12.5  # yr^-1; lower ones cannot be told from none, Zanisi et al. 2021


def _specific_rate(scores: Any) -> np.ndarray:
    """Star formation rate over stellar mass [1 / yr], no lower than what can be told from none."""
    mass, rate = (np.asarray(scores[name], float) for name in ("stellar_mass", "star_formation_rate"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mass > 0, np.maximum(rate / mass, LEAST_RATE), np.nan)


def _size_in_kpc(scores: Any) -> np.ndarray:
    """Half-light radius [kpc] at the redshift of the image, in a flat universe of H0 70, Omega_m 0.3."""
    from astropy.cosmology import FlatLambdaCDM  # takes a third of a second

    redshift = np.asarray(scores["redshift"], float)
    known = np.isfinite(redshift) & (redshift > 0)
    distance = np.full(len(redshift), np.nan)
    # Galaxies of one simulation share their redshift.
    values, place = np.unique(redshift[known], return_inverse=True)
    universe = FlatLambdaCDM(H0=70, Om0=0.3)
    distance[known] = universe.angular_diameter_distance(values).to_value("kpc")[place]
    return np.asarray(scores["half_light_radius"], float) * np.deg2rad(1 / 3600) * distance


COLUMNS: dict[str, Column] = {
    # The image
    "galaxy_id": Column("galaxy; its views have the same"),
    "dataset": Column("data set"),
    "kind": Column("observed, simulated, twins or control"),
    "split": Column("train, validation or test: what a model may have learned"),
    "view": Column("number of the direction that the galaxy is seen from"),
    "direction": Column("name of the view: x, y, z, face-on, edge-on, random or healpix:number/N"),
    "orientation": Column("number of the orientation of the same view"),
    "image_index": Column("position in the image set"),
    "ra": Column("right ascension (ICRS)", "deg"),
    "dec": Column("declination (ICRS)", "deg"),
    "simulation": Column("simulation"),
    "snapshot": Column("number of the snapshot"),
    "subhalo_id": Column("number in the catalogue of the snapshot"),
    # Scores
    "log_likelihood_ratio": Column(
        "log-likelihood under the flow of real galaxies minus that under the background, or under bare sky "
        "where that is likelier",
        "nat", "log-likelihood ratio", Use.SCORE, higher_is_real=True,
    ),
    "log_prob": Column(
        "natural logarithm of the probability density of the pixel values", "nat", "log-likelihood",
        Use.SCORE,
    ),
    "log_prob_background": Column(
        "log-likelihood under the flow of the background class", "nat", "log-likelihood, background",
        Use.SCORE,
    ),
    "log_prob_corrected": Column("log_prob of the rounded pixels plus complexity", "nat"),
    "log_likelihood_ratio_scale_*": Column("part of log_likelihood_ratio at scale {}, 0 the finest", "nat"),
    "log_prob_background_scale_*": Column("part of log_prob_background at scale {}, 0 the finest", "nat"),
    "log_prob_scale_*": Column("part of log_prob at scale {}, 0 the finest", "nat"),
    "log_likelihood_ratio_*": Column("log_prob minus log_prob_{}", "nat", "log-likelihood ratio to {}"),
    "log_prob_*": Column("log-likelihood under {}", "nat", "log-likelihood, {}"),
    "structure_z": Column(
        "aperture_ratio among real galaxies of equal signal-to-noise and resolution, in their spreads",
        label="structure score z", uses=Use.SCORE, higher_is_real=True,
    ),
    "aperture_ratio": Column(
        "log-likelihood ratio inside 1.5 Petrosian radii, without the coarsest scale", "nat",
        "log-likelihood ratio in the aperture", Use.SCORE, higher_is_real=True,
    ),
    "aperture_ratio_scale_*": Column("part of aperture_ratio at scale {}, 0 the finest", "nat"),
    "aperture_ratio_band_*": Column("part of aperture_ratio in band {}", "nat"),
    "surroundings_ratio": Column(
        "log-likelihood ratio outside the aperture, without the coarsest scale: a check of the sky", "nat"
    ),
    "surroundings_ratio_scale_*": Column("part of surroundings_ratio at scale {}, 0 the finest", "nat"),
    "symmetry_scatter": Column("standard deviation of the headline over the eight orientations", "nat"),
    "ensemble_scatter": Column("standard deviation of log_prob over the members of the ensemble", "nat"),
    "complexity": Column("length of a lossless description of the rounded pixels", "nat"),
    "outside_domain": Column("nuisances outside the model's training range: 1 sky, 2 PSF, 4 magnitude, "
                             "8 size, 16 other; added up"),
    "is_finite": Column("whether the headline is finite"),
    # Among the real galaxies
    "score_residual": Column("headline minus its mean for real galaxies of like nuisance, in their spreads"),
    "typicality_p": Column("two-sided p-value of score_residual among real galaxies"),
    "too_likely": Column("whether score_residual is on the high side"),
    "anomaly_rank": Column("place in the data set by typicality_p; 1 is the least typical"),
    "real_twin_*": Column("real galaxy at place {} by distance in the latents"),
    "real_distance_*": Column("distance to it, in spreads of real galaxies"),
    "embedding_twin_*": Column("real galaxy at place {} by distance in the embedding"),
    "embedding_distance_*": Column("distance to it, in spreads of real galaxies"),
    # Observation and sample, in the order that scores are drawn against them
    "mag_*": Column(
        "magnitude in {} (AB)", "mag", "{} magnitude", Use.NUISANCE | Use.RELATION | Use.MATCH | Use.BIN
    ),
    "half_light_radius": Column(
        "radius of half the light in the image", "arcsec", "half-light radius",
        Use.NUISANCE | Use.SHAPE | Use.RELATION | Use.MATCH | Use.BIN, is_logarithmic=True,
    ),
    "half_light_radius_kpc": Column(
        "half-light radius at the redshift of the image, H0 70, Omega_m 0.3", "kpc", "half-light radius",
        is_logarithmic=True, needs=("half_light_radius", "redshift"), make=_size_in_kpc,
    ),
    "petrosian_radius": Column("Petrosian radius (ratio 0.2)", "arcsec", is_logarithmic=True),
    "axis_ratio": Column("minor over major axis, from second moments", label="axis ratio", uses=Use.SHAPE),
    "position_angle": Column("direction of the major axis", "deg"),
    "sersic_n_*": Column(
        "Sersic index of the fit in {}", label="Sersic index, {}", uses=Use.RELATION | Use.MATCH | Use.BIN
    ),
    "sersic_index": Column(
        "Sersic index", label="Sersic index", uses=Use.RELATION | Use.MATCH | Use.BIN
    ),
    "concentration": Column(
        "5 log10 of the ratio of the radii of 80 and 20 % of the light", label="concentration",
        uses=Use.SHAPE | Use.RELATION,
    ),
    "asymmetry": Column("rotational asymmetry", label="asymmetry", uses=Use.SHAPE),
    "smoothness": Column("smoothness (clumpiness)", label="smoothness", uses=Use.SHAPE),
    "gini": Column("Gini coefficient of the light", label="Gini coefficient", uses=Use.SHAPE),
    "m20": Column("second moment of the brightest 20 % of the light", label="M20", uses=Use.SHAPE),
    "measured_asymmetry": Column(
        "light that a half turn changes over twice the light, less what noise changes", label="asymmetry"
    ),
    "measured_gini": Column("Gini coefficient of the pixels of the galaxy", label="Gini coefficient"),
    "measured_m20": Column(
        "log10 of the second moment of the brightest fifth of the light over that of all", label="M20"
    ),
    "sky_sigma_*": Column(
        "standard deviation of the sky per pixel in {}", "nmgy", "{} sky noise", Use.NUISANCE | Use.RELATION
    ),
    "sky_level_*": Column("mean sky left in {}", "nmgy"),
    "psf_fwhm_*": Column(
        "full width at half maximum of the PSF in {}", "arcsec", "{} seeing FWHM",
        Use.NUISANCE | Use.RELATION,
    ),
    "stellar_mass": Column(
        "stellar mass", "solMass", "stellar mass", Use.RELATION | Use.MATCH, is_logarithmic=True
    ),
    "specific_star_formation_rate": Column(
        "star formation rate over stellar mass, at least 10^-12.5", "1 / yr", "specific star formation rate",
        Use.RELATION, is_logarithmic=True, needs=("stellar_mass", "star_formation_rate"), make=_specific_rate,
    ),
    "star_formation_rate": Column(
        "star formation rate", "solMass / yr", "star formation rate", is_logarithmic=True
    ),
    "halo_mass": Column("mass of the halo", "solMass", "halo mass", is_logarithmic=True),
    "gas_mass": Column("mass of gas", "solMass", "gas mass", is_logarithmic=True),
    "surface_density": Column(
        "galaxies about it on the sky", "1 / Mpc2", "surface density of galaxies", Use.RELATION,
        is_logarithmic=True,
    ),
    "hubble_type": Column("numerical Hubble type", label="Hubble type", uses=Use.RELATION),
    "smooth_share": Column("share of votes for smooth", label="votes: smooth", uses=Use.RELATION),
    "featured_share": Column("share of votes for features or disc", label="votes: features",
                             uses=Use.RELATION),
    "edge_on_share": Column("share of votes for edge-on", label="votes: edge-on", uses=Use.RELATION),
    "bar_share": Column("share of votes for a bar", label="votes: bar", uses=Use.RELATION),
    "spiral_share": Column("share of votes for spiral arms", label="votes: spiral", uses=Use.RELATION),
    "odd_share": Column("share of votes for anything odd", label="votes: odd", uses=Use.RELATION),
    "elliptical_share": Column("share of votes for elliptical", label="votes: elliptical", uses=Use.RELATION),
    "bulge_share": Column("share of the light in the bulge", label="bulge share", uses=Use.RELATION),
    "catalogue_separation": Column("distance to the nearest row of the catalogues of properties", "arcsec"),
    "catalogue_near": Column("most rows that a catalogue of properties has within the radius of a match"),
    "half_mass_radius": Column(
        "radius of half the stellar mass", "kpc", "half-mass radius", is_logarithmic=True
    ),
    "snr": Column("signal-to-noise ratio of the galaxy", label="signal-to-noise ratio", is_logarithmic=True),
    "redshift": Column("redshift", label="redshift", uses=Use.RELATION),
    "is_central": Column("whether the galaxy is the central one of its halo"),
    "sub_box": Column("eighth of the simulated box that the galaxy is in; -1 where not known"),
}  # fmt: skip

_UNIT_LABELS = {
    "mag": "AB",
    "nmgy": "nanomaggies per pixel",
    "nat": "nats",
    "solMass": r"M$_\odot$",
    "solMass / yr": r"M$_\odot$ yr$^{-1}$",
    "1 / yr": r"yr$^{-1}$",
}


def _key(name: str) -> str | None:
    """Entry of a column: its own, that of the first pattern it fits, or that of its longest stem."""
    if name in COLUMNS:
        return name
    patterns = (
        key for key in COLUMNS if key.endswith("*") and name.startswith(key[:-1]) and name != key[:-1]
    )
    stems = (key for key in COLUMNS if name.startswith(f"{key}_"))
    return next(patterns, None) or max(stems, key=len, default=None)


def column_of(name: str) -> Column:
    """Look up a column.

    Parameters
    ----------
    name : str
        One that is not listed is taken for a kind of the longest listed name that it begins with, as
        ``stellar_mass_30kpc`` for ``stellar_mass``.

    Returns
    -------
    Column
        Patterns filled in; of an unknown column the name alone.
    """
    key = _key(name)
    if key == name:
        return COLUMNS[key]
    if key is None:
        return Column("", label=name.replace("_", " "))
    column = COLUMNS[key]
    if not key.endswith("*"):
        return replace(column, meaning="", unit="", label=name.replace("_", " "), make=None)
    part = name.removeprefix(key[:-1])
    return replace(column, meaning=column.meaning.format(part), label=column.label.format(part))


def names_for(use: Use, names: Iterable[str]) -> list[str]:
    """Choose the columns that serve a use, in the order of `COLUMNS`.

    Parameters
    ----------
    use : Use
    names : iterable of str
        Columns that there are.
    """
    place = {key: number for number, key in enumerate(COLUMNS)}
    chosen = [name for name in names if column_of(name).uses & use]
    return sorted(chosen, key=lambda name: place[_key(name)])


def derived_columns(names: Iterable[str]) -> dict[str, Column]:
    """Choose the listed columns that can be made from these and are not among them."""
    names = set(names)
    return {
        name: column
        for name, column in COLUMNS.items()
        if column.make is not None and name not in names and names.issuperset(column.needs)
    }


def in_words(names: Iterable[str]) -> str:
    """Write names of columns as a list of their labels."""
    return ", ".join(column_of(name).label or name.replace("_", " ") for name in names)


def unit_label(name: str) -> str:
    """Write the unit of a column as an axis shows it: in brackets after two spaces, or nothing."""
    unit = column_of(name).unit
    return f"  [{_UNIT_LABELS.get(unit, unit)}]" if unit else ""


def axis_label(name: str) -> str:
    """Label of a column in a figure, with its unit."""
    return in_words([name]) + unit_label(name)
