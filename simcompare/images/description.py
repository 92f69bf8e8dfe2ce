"""Image sets in words and numbers: the summary on a terminal, and the data section of a model card."""

import re
from collections import Counter

import numpy as np

from simcompare.images.image_set import ImageSet
from simcompare.images.splits import SPLITS
from simcompare.images.stamps import FLAGS
from simcompare.runs.tables import numbers_of

__all__ = ["data_section", "kind_of_reason", "summarise"]

PERCENTILES = (5, 25, 50, 75, 95)
_HOUSE_UNITS = {"stellar_mass": "Msun"}  # where the catalogue of a mock states none


def summarise(images: ImageSet) -> dict:
    """Numbers that describe an image set.

    Returns
    -------
    dict
        ``name``, ``kind``, ``survey``, ``bands``, ``pixel_scale``, ``shape``, ``preparation`` (settings),
        ``preparation_hash``, ``images``, ``galaxies``, ``splits``, ``datasets``, ``flags`` (name -> number),
        ``rejected`` (reason -> number), ``inputs``, ``sources`` (file -> images of it), ``distributions``
        (column -> `PERCENTILES`; columns without a value are left out).
    """
    table = images.catalogue
    columns = [f"{item}_{band}" for item in ("mag", "sky_sigma", "psf_fwhm") for band in images.bands]
    optional = ("half_light_radius", "petrosian_radius", "snr", "redshift", "stellar_mass")
    columns += [name for name in optional if name in table.colnames]
    flags = np.asarray(table["flags"])
    return {
        "name": images.name,
        "kind": images.kind,
        "survey": images.survey,
        "bands": list(images.bands),
        "pixel_scale": images.pixel_scale,
        "shape": list(images.image_shape),
        "preparation": images.preparation.to_json(),
        "preparation_hash": images.preparation_hash,
        "images": len(images),
        "galaxies": len(set(table["galaxy_id"])),
        "splits": {name: int(np.sum(table["split"] == name)) for name in SPLITS},
        "datasets": dict(Counter(str(name) for name in table["dataset"])),
        "flags": {name: n for name, bit in FLAGS.items() if (n := int(np.sum(flags & bit > 0)))},
        "rejected": _rejects(images),
        "inputs": _inputs(images),
        "sources": dict(Counter(table["source"].tolist())) if "source" in table.colnames else {},
        "distributions": {name: _percentiles(table[name]) for name in columns if _has_values(table[name])},
    }


def _has_values(column) -> bool:
    """Whether a column has a finite value."""
    return bool(np.isfinite(numbers_of(column)).any())


def _percentiles(values) -> list[float]:
    """Percentiles of the finite values."""
    finite = numbers_of(values)[np.isfinite(numbers_of(values))]
    return [float(value) for value in np.percentile(finite, PERCENTILES)]


def kind_of_reason(reason: str) -> str:
    """Reason for which an image was left out without what is its alone: names of files, numbers."""
    without_files = re.sub(
        r"\S*\.(?:fits?|fts|h5|hdf5|tar|parquet|jpe?g|png)\b[^\s:,;]*", "FILE", reason, flags=re.I
    )
    return re.sub(r"\d+(\.\d+)?", "N", without_files)


def _rejects(images: ImageSet) -> dict[str, int]:
    """Count the reasons for which images were left out; numbers in them are written as N."""
    reasons = Counter()
    for part in images.provenance:
        for row in [*part.get("rejects", []), *part.get("failures", [])]:
            reasons[kind_of_reason(row["reason"])] += 1
    return dict(reasons.most_common())


def _inputs(images: ImageSet) -> list[str]:
    """Names of the files that the set was made from."""
    paths = (item["path"] for part in images.provenance for item in part.get("inputs", []) if "path" in item)
    return list(dict.fromkeys(path.replace("\\", "/").rsplit("/", 1)[-1] for path in paths))


def _counts(numbers: dict[str, int]) -> str:
    """Names with their numbers, in words."""
    return ", ".join(f"{name} {n}" for name, n in numbers.items())


def data_section(images: ImageSet) -> str:
    """Write the data section of a model card: what was chosen, left out and why, and how it is distributed.

    Parameters
    ----------
    images : ImageSet
        That a model was trained on.

    Returns
    -------
    str
        Markdown.
    """
    facts = summarise(images)
    _, rows, columns = facts["shape"]
    scale = f"{facts['pixel_scale']:g}" if facts["pixel_scale"] else "various"
    lines = [
        "## Data",
        "",
        f"{facts['images']} images of {facts['galaxies']} galaxies ({facts['kind']}, {facts['survey']}, "
        f"{', '.join(facts['bands'])}), {columns} x {rows} pixels of {scale} arcsec, "
        f"in {images.unit}.",
        "",
        "- split: " + _counts(facts["splits"]),
        "- from: " + (_counts(facts["sources"]) or ", ".join(facts["inputs"]) or _counts(facts["datasets"])),
        f"- preparation: `{facts['preparation']}` (SHA-256 `{facts['preparation_hash'][:12]}`)",
        "- left out: " + ("; ".join(f"{n} ({reason})" for reason, n in facts["rejected"].items()) or "none"),
        "- flags of those kept: " + (_counts(facts["flags"]) or "none"),
        "",
        "| percentile | " + " | ".join(f"{q} %" for q in PERCENTILES) + " |",
        "|---|" + "---|" * len(PERCENTILES),
    ]
    for name, values in facts["distributions"].items():
        unit = images.catalogue[name].unit or _HOUSE_UNITS.get(name)
        lines.append(
            f"| {name}{f' [{unit}]' if unit else ''} | " + " | ".join(f"{v:.4g}" for v in values) + " |"
        )
    return "\n".join(lines) + "\n"
