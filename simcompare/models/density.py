"""What can be asked for a log density: its domain, its context, its preparation."""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import IntFlag
from typing import Any, Protocol

import numpy as np
from astropy.table import Table

from simcompare.images.preparation.prepare import Preparation
from simcompare.runs.tables import numbers_of

__all__ = [
    "REDSHIFTS",
    "SKY",
    "Density",
    "Domain",
    "bound",
    "check_prepared_alike",
    "context_of",
    "outside_domain",
    "plain",
    "validity_of",
]


REDSHIFTS = (-0.01, 15.0)
"""Range of observed redshifts; what lies outside, such as -9999, says that there is none."""

SKY = "sky"  # name of the background that holds nothing but noise


# What an image set and a model must share; the preparation's own settings are compared one by one.
_SHARED = ("survey", "bands", "pixel_scale", "size")


class Density(Protocol):
    """What can be asked for a log density; a trained flow, or anything that looks like one.

    Only `log_prob` is needed. `budget` with `scale_names` splits the value by scale, `context_names`
    say which catalogue columns condition it, and `metadata` says what it was trained on.
    """

    def log_prob(self, images: np.ndarray, context: np.ndarray | None) -> np.ndarray:
        """Natural log density of each image [nats], shape (n,)."""


class Domain(IntFlag):
    """Nuisances that lie outside what the model saw in training, as bits of `outside_domain`."""

    SKY = 1
    PSF = 2
    MAGNITUDE = 4
    SIZE = 8
    OTHER = 16


_ROUNDING = 1e-6
_DOMAIN_OF = {
    "sky_sigma": Domain.SKY,
    "psf_fwhm": Domain.PSF,
    "mag": Domain.MAGNITUDE,
    "half_light_radius": Domain.SIZE,
}


def context_of(catalogue: Table, names: Sequence[str]) -> np.ndarray | None:
    """Collect the columns that condition a flow.

    Parameters
    ----------
    catalogue : Table
        Catalogue of an image set.
    names : sequence of str
        Columns; ``log_<column>`` stands for the natural logarithm of a column.

    Returns
    -------
    ndarray of float32, shape (n, len(names)), or None
        None when no name is given.

    Raises
    ------
    ValueError
        When a column is missing, naming those there are.
    """
    if not len(names):
        return None
    columns = []
    for name in names:
        source = name.removeprefix("log_") if name not in catalogue.colnames else name
        if source not in catalogue.colnames:
            raise ValueError(
                f"the flow is conditioned on {name!r}, but the catalogue has no column {source!r}; "
                f"it has {', '.join(catalogue.colnames)}."
            )
        values = numbers_of(catalogue[source])
        if source != name:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
        columns.append(values)
    return np.stack(columns, axis=1).astype(np.float32)


def bound(density: Density | Callable, catalogue: Table) -> Density | Callable:
    """Density of the images of a catalogue: of several folds, that which has not learned from a galaxy."""
    return density.for_catalogue(catalogue) if hasattr(density, "for_catalogue") else density


def check_prepared_alike(images: Any, density: Density | Callable) -> None:
    """Refuse images that were not prepared as those the density was trained on.

    Parameters
    ----------
    images : ImageSet
        Images to be scored.
    density : Density or callable
        One without metadata (a plain callable) is taken at its word.

    Raises
    ------
    ValueError
        Naming each setting that differs, with both values.
    """
    trained = {key: plain(value) for key, value in (getattr(density, "metadata", None) or {}).items()}
    own = {
        "survey": images.survey,
        "bands": list(images.bands),
        "pixel_scale": float(images.pixel_scale),
        "size": int(images.preparation.size),
    }
    differences = [
        f"{name} is {own[name]} in the images, {trained[name]} in the model"
        for name in _SHARED
        if name in trained and not _same(own[name], trained[name])
    ]
    if "preparation_hash" in trained and trained["preparation_hash"] != images.preparation_hash:
        differences += _preparation_differences(images.preparation, trained.get("preparation"))
    if differences:
        raise ValueError(
            f"image set {images.name!r} was not prepared like the model's images: {'; '.join(differences)}. "
            "Prepare the images with the model's settings, or train a model on images like these."
        )


def _preparation_differences(own: Preparation, trained: Mapping | None) -> list[str]:
    """Name the settings of the preparation that differ, where the model kept them."""
    if not isinstance(trained, Mapping):
        return [f"preparation hash is {own.hash[:12]} in the images and another in the model"]
    mine = json.loads(own.to_json())
    keys = sorted(key for key in mine.keys() | trained.keys() if mine.get(key) != trained.get(key))
    return [
        f"preparation setting {key} is {mine.get(key)} in the images, {trained.get(key)} in the model"
        for key in keys
    ]


def plain(value: Any) -> Any:
    """Value of a metadata entry, which may be kept as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def validity_of(model: Any) -> dict[str, Sequence[float]]:
    """Range of each catalogue column among the training images, as the metadata of a model states it.

    Raises
    ------
    ValueError
        When they state something else than two numbers for each column.
    """
    validity = plain((getattr(model, "metadata", None) or {}).get("validity", {}))
    ranges = list(validity.values()) if isinstance(validity, dict) else [repr(validity)]
    for each in ranges:
        is_pair = isinstance(each, list | tuple) and len(each) == 2
        if not (is_pair and all(isinstance(end, int | float) for end in each)):
            raise ValueError(
                f"the model's metadata state {str(each)[:60]!r} as validity, where two numbers for each "
                "catalogue column are needed; copy the model again, or train it again."
            )
    return validity


def _same(own: Any, trained: Any) -> bool:
    """Whether two settings agree; bands may be one word, numbers may have been stored as text."""
    if isinstance(own, list):
        entries = trained.split(",") if isinstance(trained, str) and "," in trained else list(trained)
        return own == entries
    if isinstance(own, float):
        return bool(np.isclose(own, float(trained), rtol=1e-6))
    return own == trained


def outside_domain(catalogue: Table, validity: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Mark images whose nuisance lies outside the range of the training images.

    Parameters
    ----------
    catalogue : Table
        Catalogue of an image set.
    validity : mapping of str to (float, float)
        Least and greatest value of catalogue columns in training, e.g. ``{"mag_r": [13.2, 17.8]}``.

    Returns
    -------
    ndarray of int, shape (n,)
        Bits of `Domain`; a missing column or a value that is not finite counts as outside, but for a
        redshift: what no spectrum tells is not outside.
    """
    flags = np.zeros(len(catalogue), dtype=np.int64)
    for name, (low, high) in validity.items():
        values = numbers_of(catalogue[name]) if name in catalogue.colnames else np.nan
        bit = next((bit for prefix, bit in _DOMAIN_OF.items() if name.startswith(prefix)), Domain.OTHER)
        # Of images with one PSF the range is a point, which twins miss by the rounding of single precision.
        margin = _ROUNDING * max(abs(low), abs(high))
        inside = np.logical_and(values >= low - margin, values <= high + margin)
        if name == "redshift":
            inside |= ~np.logical_and(values >= REDSHIFTS[0], values <= REDSHIFTS[1])
        flags |= np.where(inside, 0, int(bit))
    return flags
