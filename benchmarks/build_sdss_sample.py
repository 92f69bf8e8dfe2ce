"""Build the linear SDSS samples in r and gri, and one of 8-bit pictures, from collected survey images.

    python benchmarks/build_sdss_sample.py <folder with sdss-frames, sdss-r-spirals, ...> <output folder>

Every image is a camera's own pixels (no mosaics), with its own PSF, noise and mask. Of a galaxy that occurs
twice the first is taken: well-resolved objects come before field stamps, stamps before new detections.
"""

import sys
from pathlib import Path

import numpy as np

from simcompare.observed import Sample, prepare_observed
from simcompare.preparation import Preparation
from simcompare.stamps import FLAGS

SEED = 20260101
R_FILES = (
    "sdss-r-with-psf/sdss-r-with-psf.h5",
    "sdss-r-spirals/sdss-r-spirals.h5",
    "sdss-ugriz-stamps/sdss-ugriz-stamps.h5",
    "sdss-frames/frame-r-004510-4-0030.fits.bz2",
    "sdss-frames/frame-r-005112-4-0345.fits.bz2",
)
PICTURE_FILES = ("sdss-skyserver-rgb/sdss-skyserver-rgb.h5",)  # 0.2 arcsec everywhere
GRI_FILES = ("sdss-ugriz-stamps/sdss-ugriz-stamps.h5", "sdss-frames/frame-r-004510-4-0030.fits.bz2")


def build(data: Path, out: Path, size: int = 64) -> dict[str, Sample]:
    """Prepare the samples; what is there already is kept."""
    samples = {}
    kinds = (
        ("SDSS r", ("r",), R_FILES, "linear"),
        ("SDSS gri", ("g", "r", "i"), GRI_FILES, "linear"),
        ("SDSS pictures", ("R", "G", "B"), PICTURE_FILES, "8-bit"),
    )
    for name, bands, files, domain in kinds:
        samples[name] = prepare_observed(
            [data / file for file in files],
            survey="sdss",
            bands=bands,
            preparation=Preparation(size=size, domain=domain),
            out=out / "".join(bands),
            name=name,
            seed=SEED,
        )
    return samples


def describe(name: str, sample: Sample) -> str:
    """Numbers of a sample, as text."""
    table, bands = sample.images.catalogue, sample.images.bands
    lines = [f"{name}: {len(table)} galaxies, {len(sample.rejected)} rejected"]
    lines += [f"  rejected {count:4d}: {reason}" for reason, count in sample.reasons.items()]
    for source in dict.fromkeys(table["source"]):
        lines.append(f"  from {source}: {np.sum(table['source'] == source)}")
    for split in ("train", "validation", "test"):
        lines.append(f"  {split}: {np.sum(table['split'] == split)}")
    if sample.images.preparation.domain == "8-bit":
        return "\n".join(lines)
    columns = [f"mag_{band}" for band in bands] + ["half_light_radius", "petrosian_radius", "snr"]
    columns += [f"{column}_{band}" for band in bands for column in ("sky_sigma", "psf_fwhm")]
    lines.append(f"  {'percentile':20s}" + "".join(f"{q:>10d}" for q in (5, 25, 50, 75, 95)))
    for column in columns:
        values = np.nanpercentile(np.asarray(table[column], float), (5, 25, 50, 75, 95))
        lines.append(f"  {column:20s}" + "".join(f"{value:10.4g}" for value in values))
    flagged = {flag: int(np.sum(table["flags"] & bit > 0)) for flag, bit in FLAGS.items()}
    lines.append("  flags: " + ", ".join(f"{flag} {n}" for flag, n in flagged.items() if n))
    resolved = np.asarray(table["half_light_radius"]) > 1.5
    lines.append(f'  half-light radius above 1.5": {resolved.sum()}')
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Build and print; 2 for a wrong call."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name, sample in build(Path(arguments[0]), Path(arguments[1])).items():
        print(describe(name, sample))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
