"""Whether clumps can be told from particle noise: peaks and troughs about the mean profile of real galaxies.

    python benchmarks/bench_clumps.py IMAGES --model sdss-r [--numbers 30 100] [--draws 40] [--most 420]

IMAGES is a prepared set of real galaxies in one band, of which those among the model's held-out ones are
used. In a draw N galaxies, untouched or with a defect of ``benchmarks/defects.py``, are held against all
others at equal signal-to-noise and resolution. Printed, for the two numbers of `peaks_and_troughs`: the share
of draws with p < 0.05 and more, or less, than real galaxies have, and the mean z.
"""

import argparse
from pathlib import Path

import numpy as np
from defects import parts_of, with_defect
from scipy.ndimage import gaussian_filter, maximum_filter

from mocks import stream
from simcompare.data.shipped import reference_table
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.photometry import elliptical_radius
from simcompare.scores.files import read_blocks
from simcompare.statistics.structure import fit_reference

DEFECTS = (
    "none", "five clumps of 2 %", "noise of 1e3 particles", "noise of 1e4 particles", "structure x 0.5",
    "blurred by 1.0 arcsec", "symmetrised",
)  # fmt: skip
NUMBERS = ("peaks over troughs", "troughs")
N_HIGHEST = 5
INNER, OUTER = 0.25, 1.5  # Petrosian radii between which they are sought
FLOOR = 0.1  # of a height in sigma, for its logarithm


def peaks_and_troughs(
    light: np.ndarray, variance: np.ndarray, row: object, band: str, pixel_scale: float
) -> tuple[float, float]:
    """Log mean height of the five highest peaks over that of the deepest troughs, and of the troughs alone.

    The image is smoothed with the PSF's width, its median in elliptical rings taken off, and the rest divided
    by its noise. Clumps are peaks alone; noise of particles has troughs as deep.
    """
    petrosian = float(row["petrosian_radius"]) / pixel_scale
    fwhm = float(row[f"psf_fwhm_{band}"]) / pixel_scale
    if not petrosian > 0:
        return np.nan, np.nan
    centre = float(row["centre_x"]), float(row["centre_y"])
    radius = elliptical_radius(light.shape, centre, float(row["axis_ratio"]), float(row["position_angle"]))
    sigma = fwhm / np.sqrt(8 * np.log(2))
    smooth = gaussian_filter(light, sigma)
    noise = np.sqrt(gaussian_filter(variance, sigma / np.sqrt(2)) / (4 * np.pi * sigma**2))
    edges = np.arange(0, 2 * petrosian + 3, max(1.5, petrosian / 8))
    ring = np.digitize(radius, edges) - 1
    known = [k for k in range(len(edges) - 1) if (ring == k).any()]
    middle = (edges[1:] + edges[:-1])[known] / 2
    profile = np.interp(radius, middle, [np.median(smooth[ring == k]) for k in known])
    rest = (smooth - profile) / noise
    inside = (radius <= OUTER * petrosian) & (radius >= max(INNER * petrosian, fwhm / 2))
    side = 2 * int(np.ceil(sigma)) + 1
    heights = []
    for signed in (rest, -rest):
        found = np.sort(signed[(maximum_filter(signed, side) == signed) & inside])[::-1]
        if len(found) < N_HIGHEST:
            return np.nan, np.nan
        heights.append(np.log(max(found[:N_HIGHEST].mean(), FLOOR)))
    return heights[0] - heights[1], heights[1]


def measured(images: ImageSet, pixels: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, 2) and conditions (n, 2) of each galaxy."""
    (band,) = images.bands
    variance = images.read(np.arange(len(images))).variance[:, 0].astype(float)
    level = images.catalogue[f"sky_level_{band}"]
    numbers = [
        peaks_and_troughs(image[0].astype(float) - level[i], variance[i], row, band, images.pixel_scale)
        for i, (image, row) in enumerate(zip(pixels, images.catalogue, strict=True))
    ]
    width = np.asarray(images.catalogue[f"psf_fwhm_{band}"])
    conditions = np.log10([np.asarray(images.catalogue["snr"]), radii / width]).T
    return np.array(numbers), conditions


def judged(real: tuple, ours: tuple, k: int, n: int, n_draws: int) -> str:
    """Share of draws in which number k is more, or less, than in other real galaxies, and the mean z."""
    known = [np.isfinite(np.column_stack([each[0][:, k], each[1]])).all(axis=1) for each in (real, ours)]
    pool, found = np.flatnonzero(known[0] & known[1]), []
    for number in range(n_draws):
        rng = stream(0, "clumps", n, number)
        order = rng.permutation(pool)
        chosen, others = order[:n], order[n:]
        unknown = np.full(len(others), np.nan), np.full((len(others), 2), np.nan)
        reference = fit_reference(real[0][others, k], real[1][others], *unknown, rng)
        z = reference.model.z(ours[0][chosen, k], ours[1][chosen])
        found.append((reference.test(z, ours[1][chosen]).p_value < 0.05, z.mean()))
    differs, z = np.array(found).T
    return f"more {np.mean(differs * (z > 0)):.2f}, less {np.mean(differs * (z < 0)):.2f}, z {z.mean():+.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="sdss-r")
    parser.add_argument("--numbers", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--most", type=int, default=420, help="Galaxies that are used, drawn at random.")
    options = parser.parse_args()
    blocks = read_blocks(reference_table(options.model), ["galaxy_id"])
    held_out = np.concatenate([block["galaxy_id"] for block in blocks])
    images = ImageSet.open(options.images)
    images = images.subset(np.isin(images.catalogue["galaxy_id"], held_out))
    kept = np.random.default_rng(0).permutation(len(images))[: options.most]
    images = images.subset(np.isin(np.arange(len(images)), kept))
    parts = [parts_of(images, i) for i in range(len(images))]
    found = {name: measured(images, *with_defect(images, parts, name)) for name in DEFECTS}
    for n in options.numbers:
        for name in DEFECTS:
            texts = [
                f"{number}: {judged(found['none'], found[name], k, n, options.draws)}"
                for k, number in enumerate(NUMBERS)
            ]
            print(f"{name}, N = {n}: {'; '.join(texts)}", flush=True)


if __name__ == "__main__":
    main()
