"""How often morphology numbers differ in real galaxies with a planted defect, and in untouched ones.

    python benchmarks/bench_reasons.py IMAGES --model sdss-r [--numbers 30 100] [--draws 100]

IMAGES is a prepared set of real galaxies in one band, of which those among the model's held-out ones are
used. In a draw N galaxies, untouched or with a defect of ``benchmarks/defects.py``, are held against all
others. Printed: the share of draws in which any number of
`simcompare.comparison.properties.reasons.NUMBERS` has p < 0.05 after Holm, in which each has, and the median
share of the difference of z that each carries (ten draws).
"""

import argparse
from pathlib import Path

import numpy as np
from bench_power import Changed
from defects import DEFECTS, parts_of, with_defect

from mocks import stream
from simcompare.comparison.properties.reasons import NUMBERS
from simcompare.data.shipped import default_background, reference_table
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.photometry import growth_curve, light_radius
from simcompare.images.preparation.sersic import index_of_light
from simcompare.models.storage import load_model
from simcompare.scores.files import read_blocks
from simcompare.scores.likelihood import score
from simcompare.scores.record import Scores
from simcompare.scores.structure import STRUCTURE, conditions_of
from simcompare.statistics.conditional import compress
from simcompare.statistics.decomposition import Galaxies, learn_numbers
from simcompare.statistics.significance import adjust_p_values
from simcompare.statistics.structure import fit_reference

SHARES = 10  # draws whose differences are divided


def light_numbers(light: np.ndarray, row: object, band: str, pixel_scale: float) -> tuple[float, float]:
    """Concentration and Sersic index of an image in its galaxy's ellipse, as of the preparation."""
    centre = float(row["centre_x"]), float(row["centre_y"])
    axis_ratio, petrosian = float(row["axis_ratio"]), float(row["petrosian_radius"]) / pixel_scale
    radius, flux, _ = growth_curve(light, centre, axis_ratio, float(row["position_angle"]))
    aperture = min(2 * petrosian, radius[-1]) if np.isfinite(petrosian) else light.shape[0] / 2
    total = np.interp(aperture, radius, flux)
    r20, r50, r80 = (light_radius(radius, flux, fraction, total) for fraction in (0.2, 0.5, 0.8))
    if not (total > 0 and r20 > 0):
        return np.nan, np.nan
    concentration, to_round = float(5 * np.log10(r80 / r20)), np.sqrt(axis_ratio)
    fwhm = float(row[f"psf_fwhm_{band}"]) / pixel_scale
    return concentration, index_of_light(r50 * to_round, concentration, aperture * to_round, fwhm)


def measured(images: ImageSet, pixels: np.ndarray, scores: Scores) -> dict[str, np.ndarray]:
    """Score, conditions and numbers of each galaxy of one band."""
    (band,) = images.bands
    columns = {name: scores.numbers(name) for name in NUMBERS if name.startswith("measured_")}
    light = [
        light_numbers(image[0] - float(row[f"sky_level_{band}"]), row, band, images.pixel_scale)
        for image, row in zip(pixels.astype(float), images.catalogue, strict=True)
    ]
    columns |= dict(zip(("concentration", "sersic_index"), np.transpose(light), strict=True))
    return {
        "compressed": compress(scores.numbers(STRUCTURE)),
        "conditions": conditions_of(scores),
        "numbers": np.column_stack([columns[name] for name in NUMBERS]),
    }


def judged(found: dict, name: str, n: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw sets, and give p-values after Holm, (n_draws, k), and shares carried, (SHARES, k)."""
    real, ours = found["none"], found[name]
    known = [
        np.isfinite(np.column_stack([each["compressed"], each["conditions"], each["numbers"]])).all(axis=1)
        for each in (real, ours)
    ]
    pool = np.flatnonzero(known[0] & known[1])
    p_values, shares = [], []
    for number in range(n_draws):
        rng = stream(0, "reasons", n, number)
        order = rng.permutation(pool)
        chosen, others = order[:n], order[n:]
        unknown = np.full(len(others), np.nan), np.full((len(others), 2), np.nan)
        reference = fit_reference(real["compressed"][others], real["conditions"][others], *unknown, rng)
        learned = learn_numbers(
            Galaxies(reference.z, real["numbers"][others], real["conditions"][others]), rng
        )
        z = reference.model.z(ours["compressed"][chosen], ours["conditions"][chosen])
        sample = Galaxies(z, ours["numbers"][chosen], ours["conditions"][chosen])
        p_values.append(adjust_p_values(learned.p_values(sample)))
        if number < SHARES:
            shares.append([each.share for each in learned.decompose(sample, rng, 100)])
    return np.array(p_values), np.array(shares)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="sdss-r")
    parser.add_argument("--numbers", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--defects", nargs="+", default=list(DEFECTS))
    options = parser.parse_args()
    model, background = load_model(options.model), load_model(default_background(options.model))
    blocks = read_blocks(reference_table(options.model), ["galaxy_id"])
    held_out = np.concatenate([block["galaxy_id"] for block in blocks])
    images = ImageSet.open(options.images)
    images = images.subset(np.isin(images.catalogue["galaxy_id"], held_out))
    parts, found = [parts_of(images, i) for i in range(len(images))], {}
    for name in dict.fromkeys(["none", *options.defects]):
        pixels, radii = with_defect(images, parts, name)
        scores = score(Changed(images, pixels, radii), model, background, warn=False)
        found[name] = measured(images, pixels, scores)
        for n in options.numbers if name == "none" else options.numbers[-1:]:
            p_values, shares = judged(found, name, n, options.draws)
            rates, carried = (p_values < 0.05).mean(axis=0), np.median(shares, axis=0)
            each = ", ".join(
                f"{key} {a:.2f} ({b:.2f})" for key, a, b in zip(NUMBERS, rates, carried, strict=True)
            )
            print(f"{name}, N = {n}: any {(p_values.min(axis=1) < 0.05).mean():.3f}; {each}", flush=True)


if __name__ == "__main__":
    main()
