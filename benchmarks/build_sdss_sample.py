"""Build the SDSS samples in r and gri with their Sersic twins, and one of 8-bit pictures with smooth twins.

    python benchmarks/build_sdss_sample.py <folder with sdss-frames, sdss-r-spirals, ...> <output folder>

Each sample is what `simcompare prepare` makes with its default seed and split, so that a model trained here
has seen no galaxy that the same command, given the same sky, keeps for testing. Every linear image is a
camera's own pixels (no mosaics), with its own PSF, noise and mask. Of a galaxy that occurs twice the first is
taken: well-resolved objects come before field stamps, stamps before new detections.

Percentiles of what comes out, all from SDSS's own files of 0.396 arcsec pixels; sizes are half-light radii:

| sample | galaxies (train, validation, test) | r mag 5 / 50 / 95 % | size 5 / 50 / 95 % [arcsec] |
|---|---|---|---|
| r | 662 (450, 91, 121) | 15.2 / 19.4 / 20.4 | 1.01 / 1.74 / 6.3 |
| gri | 508 (337, 73, 98) | 17.6 / 19.7 / 20.4 | 1.00 / 1.57 / 3.5 |
| rgb, 8-bit at 0.2 arcsec | 5466 (3878, 547, 1041) | | |

Left aside are float images without a PSF (sparcfire, five_band), without a flux calibration (pymorph), of no
stated band or without a star (sdss-misc-2), or interpolated (gama_pairs, sdss-ugriz-virgo-field): no flow of
calibrated camera pixels can use them.
"""

import sys
from pathlib import Path

from smooth_pictures import write_smooth_pictures

from simcompare.commands.prepare import make_image_set
from simcompare.commands.twins import make_twins
from simcompare.images.description import data_section
from simcompare.images.image_set import ImageSet
from simcompare.settings import PrepareSettings, TwinsSettings

R_FILES = (
    "sdss-r-with-psf/sdss-r-with-psf.h5",
    "sdss-r-spirals/sdss-r-spirals.h5",
    "sdss-r-dr7-mixed/sdss-r-dr7-mixed.h5",
    "sdss-ugriz-stamps/sdss-ugriz-stamps.h5",
    "sdss-ugriz-stamps-2/sdss-ugriz-stamps-2.h5",
    "sdss-frames/frame-r-004510-4-0030.fits.bz2",
    "sdss-frames/frame-r-005112-4-0345.fits.bz2",
    "sdss-field-000094-1-0012/frame-r-000094-1-0012.fits.bz2",
)
GRI_FILES = (
    "sdss-ugriz-stamps/sdss-ugriz-stamps.h5",
    "sdss-ugriz-stamps-2/sdss-ugriz-stamps-2.h5",
    "sdss-frames/frame-r-004510-4-0030.fits.bz2",
    "sdss-field-000094-1-0012/frame-r-000094-1-0012.fits.bz2",
)
PICTURE_FILES = ("sdss-skyserver-rgb/sdss-skyserver-rgb.h5",)  # 0.2 arcsec everywhere


def build(data: Path, out: Path) -> dict[str, ImageSet]:
    """Prepare the samples and their twins; what is there already is kept."""
    made = {}
    for folder, files, options in (
        ("r", R_FILES, {"name": "SDSS r"}),
        ("gri", GRI_FILES, {"name": "SDSS gri", "bands": "gri"}),
        ("rgb", PICTURE_FILES, {"name": "SDSS pictures", "domain": "8-bit"}),
    ):
        inputs = [data / file for file in files]
        made[folder] = make_image_set(PrepareSettings(inputs=inputs, out=out / folder, **options))
        if made[folder].preparation.domain == "linear":
            twins = TwinsSettings(images=out / folder, out=out / f"{folder}-twins")
            made[f"{folder}-twins"] = make_twins(twins)
        else:
            smooth = out / f"{folder}-smooth.h5"
            if not smooth.exists():
                write_smooth_pictures(*inputs, smooth, seed=0)
            options |= {"name": f"{options['name']} smooth twins", "kind": "twins"}
            twins = PrepareSettings(inputs=[smooth], out=out / f"{folder}-twins", **options)
            made[f"{folder}-twins"] = make_image_set(twins)
    return made


def main(arguments: list[str]) -> int:
    """Build and print; 2 for a wrong call."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name, images in build(Path(arguments[0]), Path(arguments[1])).items():
        print(f"# {name}\n\n{data_section(images)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
