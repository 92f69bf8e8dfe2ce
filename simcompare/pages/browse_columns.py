"""The columns of the browse page: groups to choose from, and what each is called."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from simcompare.scores.columns import column_of

__all__ = ["column_groups", "column_labels"]

_GROUPS = {
    "Summary": (
        "structure_z", "aperture_ratio", "surroundings_ratio", "log_likelihood_ratio", "log_prob",
        "typicality_p", "anomaly_rank", "outside_domain", "mag_*", "snr", "half_light_radius", "redshift",
        "stellar_mass",
    ),
    "Scores by scale": ("aperture_ratio_*", "surroundings_ratio_*", "log_likelihood_ratio_scale_*"),
    "Log-likelihoods": ("log_*", "complexity", "*_scatter", "is_finite"),
    "Typicality and nearest real galaxies": (
        "score_residual", "typicality_p", "too_likely", "anomaly_rank", "*_distance_?", "outside_domain",
    ),
    "Brightness and size": (
        "mag_*", "true_mag_*", "snr", "detection_snr", "half_light_radius*", "petrosian_radius",
        "light_outside_*",
    ),
    "Shape": (
        "axis_ratio", "position_angle", "concentration", "asymmetry", "smoothness", "gini", "m20",
        "measured_*", "sersic_*", "*_share",
    ),
    "Observation": (
        "ra", "dec", "sky_*", "psf_fwhm_*", "noise_correlation", "flags", "centre_?", "cut_?",
        "conditions", "detection_snr",
    ),
    "Simulation": (
        "redshift", "snapshot", "subhalo_id", "stellar_mass*", "halo_mass", "gas_mass", "half_mass_radius",
        "*star_formation_rate", "surface_density", "n_stars", "n_gas", "is_central", "group*", "box_*",
        "flag", "light_clamped", "light_outside_*",
    ),
}  # fmt: skip


def column_groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort columns into named groups.

    Returns
    -------
    dict of str to list of str
        Groups that have columns, the summary first. A column may be in several; "Other" holds those in none.
    """
    groups = {
        group: list(dict.fromkeys(name for shape in shapes for name in names if fnmatchcase(name, shape)))
        for group, shapes in _GROUPS.items()
    }
    held = {name for members in groups.values() for name in members}
    groups["Other"] = [name for name in names if name not in held]
    return {group: members for group, members in groups.items() if members}


def column_labels(names: Sequence[str]) -> dict[str, str]:
    """Name each column as a person would, with its unit; two of the same label also by their own names."""
    labels = {}
    for name in names:
        column = column_of(name)
        label = column.label or name.replace("_", " ")
        labels[name] = f"{label} [{column.unit}]" if column.unit else label
    shared = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return {name: f"{label} ({name})" if label in shared else label for name, label in labels.items()}
