"""Whether mocks share sky, noise, seeing, brightness and size with real images: to be known before scores."""

import logging
from collections.abc import Mapping

import numpy as np
from astropy.table import Table

from mocks.observing.noise import measure_correlation
from mocks.observing.sky_check import SkyCheck, blank_sky_check
from mocks.streams import stream
from simcompare.images.blank_patches import blank_patches
from simcompare.images.image_set import ImageSet
from simcompare.kinds import Kind
from simcompare.statistics.two_sample import ks_statistic

__all__ = ["sanity_curves", "sanity_notes", "sanity_table"]

logger = logging.getLogger(__name__)

LEAST_PATCHES = 50
MAX_LAG = 4


def _pairs(image_sets: Mapping[str, ImageSet], reference: str) -> list[tuple[str, ImageSet]]:
    """List the data sets made by mock observation in the reference's bands, under a sky not its own."""
    real = image_sets[reference]
    return [
        (name, images)
        for name, images in image_sets.items()
        if name != reference
        and images.kind != Kind.OBSERVED
        and images.bands == real.bands
        and not _stands_in_parents_sky(images)
    ]


def _stands_in_parents_sky(images: ImageSet) -> bool:
    """Whether these are twins with their parents' own pixels around them: no blank sky of theirs to judge."""
    return images.kind == Kind.TWINS and all(
        part.get("settings", {}).get("sky") == "own" for part in images.provenance
    )


def sanity_table(image_sets: Mapping[str, ImageSet], reference: str, seed: int) -> Table:
    """Compare every mock data set with the real one, band by band, in what does not depend on the galaxies.

    Parameters
    ----------
    image_sets : mapping of str to ImageSet
    reference : str
        Name of the real one.
    seed : int

    Returns
    -------
    Table
        One row per data set and band: patches of blank sky, ratio of their noise, correlation of adjacent
        pixels, Kolmogorov-Smirnov distances of pixels, PSF widths, magnitudes and sizes, and what a
        classifier of blank sky finds: ``sky_auc`` with its standard error, ``sky_ks_p``, and ``sky_passed``
        (AUC within 0.02 of one half and p above 0.01) and ``sky_unclear`` (not so, but within two errors of
        one half). NaN, and false, where fewer than 50 patches are blank.
    """
    real, pairs = image_sets[reference], _pairs(image_sets, reference)
    names = ["half_light_radius", *(f"{stem}_{band}" for stem in ("psf_fwhm", "mag") for band in real.bands)]
    columns = {name: images.columns(*names) for name, images in [(reference, real), *pairs]}
    rows = []
    for band in real.bands:
        ours = blank_patches(real, band, stream(seed, "sanity", reference, band))
        for name, images in pairs:
            rng = stream(seed, "sanity", name, band)
            theirs = blank_patches(images, band, rng)
            row = {"dataset": name, "band": band, "n_real_patches": len(ours), "n_patches": len(theirs)}
            row |= _sky(ours, theirs, rng)
            for column in (f"psf_fwhm_{band}", f"mag_{band}", "half_light_radius"):
                short = column.removesuffix(f"_{band}")
                row[f"ks_{short}"] = _ks(columns[name][column], columns[reference][column])
            rows.append(row)
    table = Table(rows=rows) if rows else Table(names=["dataset", "band"], dtype=["U1", "U1"])
    table.meta = {"reference": reference}
    return table


def _sky(real: np.ndarray, mock: np.ndarray, rng: np.random.Generator) -> dict:
    """Compare blank patches, in units of the real noise."""
    check: SkyCheck | None = None
    if min(len(real), len(mock)) >= LEAST_PATCHES:
        unit = np.median(real.std(axis=(1, 2)))
        check = blank_sky_check(real / unit, mock / unit, rng)
    nan = float("nan")
    return {
        "noise_ratio": check.sigma_ratio if check else nan,
        "ks_pixels": float(ks_statistic(mock.ravel(), real.ravel())) if check else nan,
        "adjacent_real": float(np.mean(check.lag_real[:2])) if check else nan,
        "adjacent": float(np.mean(check.lag_mock[:2])) if check else nan,
        "sky_auc": check.auc if check else nan,
        "sky_auc_error": check.auc_error if check else nan,
        "sky_ks_p": check.ks_p if check else nan,
        "sky_passed": check is not None and check.passed,
        "sky_unclear": check is not None and check.is_unclear,
        "most_different": min(check.feature_ks_p, key=check.feature_ks_p.get) if check else "",
    }


def _ks(ours: np.ndarray, real: np.ndarray) -> float:
    """Distance of a column's distribution to the real one's; NaN where either lacks it."""
    values = [each[np.isfinite(each)] for each in (ours, real)]
    return float(ks_statistic(*values)) if min(map(len, values)) else float("nan")


def sanity_notes(table: Table) -> list[str]:
    """Sentences that a reader must see before the scores.

    Parameters
    ----------
    table : Table
        From `sanity_table`.

    Returns
    -------
    list of str
        One per data set whose sky differs from real sky, and one for those with too little sky.
    """
    notes, unknown, unclear = [], [], []
    for name in dict.fromkeys(map(str, table["dataset"])):
        rows = table[np.asarray(table["dataset"]) == name]
        known = rows[np.isfinite(rows["sky_auc"])] if len(rows) else rows
        if not len(known):
            unknown.append(name)
            continue
        failed = known[~(known["sky_passed"] | known["sky_unclear"])]
        doubtful = known[known["sky_unclear"]]
        if len(doubtful) and not len(failed):
            worst = _farthest(doubtful)
            unclear.append(f"{name} (AUC {worst['sky_auc']:.3f} ± {worst['sky_auc_error']:.3f})")
        if len(failed):
            worst = _farthest(failed)
            notes.append(
                f"WARNING: the blank sky of {name} can be told from that of {table.meta['reference']} (band "
                f"{worst['band']}: AUC {worst['sky_auc']:.3f} ± {worst['sky_auc_error']:.3f}, KS p "
                f"{worst['sky_ks_p']:.2g}; noise {worst['noise_ratio']:.3f} times the real; most different: "
                f"{worst['most_different']}). Scores then measure sky as well as galaxies: take the "
                "conditions from the real images, or insert the mocks into real sky of the same fields."
            )
    if unknown:
        notes.append(f"Too little blank sky to compare that of {', '.join(unknown)} with real sky.")
    if unclear:
        notes.append(
            f"Not shown to have the sky of {table.meta['reference']}: {', '.join(unclear)}; chance alone "
            "gives as much with so few blank patches (limit 0.02)."
        )
    for note in notes:
        logger.warning(note)
    return notes


def _farthest(rows: Table):
    """Row whose classifier is farthest from chance."""
    return rows[np.argmax(np.abs(rows["sky_auc"] - 0.5))]


def sanity_curves(image_sets: Mapping[str, ImageSet], reference: str, seed: int) -> Table:
    """Make the numbers of the figure of blank sky: histogram and autocorrelation of its pixels.

    Parameters
    ----------
    image_sets : mapping of str to ImageSet
    reference : str
    seed : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``band``, ``quantity`` (``"histogram"``, against flux over the median real
        noise, or ``"correlation"``, against separation along a row [pixels]), ``x``, ``value``.
    """
    real, rows = image_sets[reference], []
    edges = np.linspace(-5, 5, 61)
    for band in real.bands:
        unit = None
        for name, images in [(reference, real), *_pairs(image_sets, reference)]:
            patches = blank_patches(images, band, stream(seed, "sanity", name, band))
            if len(patches) < LEAST_PATCHES:
                continue
            unit = unit or np.median(patches.std(axis=(1, 2)))
            density = np.histogram(patches / unit, edges, density=True)[0]
            lags = measure_correlation(patches, MAX_LAG)[MAX_LAG, MAX_LAG + 1 :]
            common = {"dataset": name, "kind": images.kind, "band": band, "n_galaxies": len(images)}
            middle = (edges[:-1] + edges[1:]) / 2
            rows += [common | {"quantity": "histogram", "x": x, "value": v}
                     for x, v in zip(middle, density, strict=True)]  # fmt: skip
            rows += [common | {"quantity": "correlation", "x": float(lag + 1), "value": float(v)}
                     for lag, v in enumerate(lags)]  # fmt: skip
    table = Table(rows=rows) if rows else Table(names=["dataset"], dtype=["U1"])
    table.meta = {"reference": reference}
    return table
