"""How complete and how pure what passes as a galaxy is, against SDSS's catalogue and photutils.

    python benchmarks/check_detection.py DATA

One SDSS field with its photoObj: galaxies by magnitude (completeness), places without a catalogued object
(purity). Blank mocks of three surveys. Footprints of HSC: what is called a star against the width of a
Gaussian that photutils fits.
"""

import argparse
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from photutils.psf import fit_fwhm

from mocks import draw_conditions, load_survey, observe, stream
from mocks.ideal import IdealImage
from simcompare.images.preparation.flags import rejected_flags_of
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import FLAGS, RawStamp, RejectedStampError
from simcompare.observed import read_stamps

FIELD = "000094-1-0012"
STAR_WIDTH = 1.08  # of a Gaussian fitted to an object, over that fitted to the PSF


def verdict(stamp: RawStamp, survey: str) -> str:
    """Say what becomes of an image: ``"taken"``, or the reason why it is not."""
    try:
        row = prepare_stamp(stamp, Preparation(), preparation_stream(0, stamp.galaxy_id)).row
    except RejectedStampError as error:
        return str(error)
    flags = [name for name in rejected_flags_of(survey) if row["flags"] & FLAGS[name]]
    return flags[0] if flags else "taken"


def at_places(frame: Path, table: Table) -> list[str]:
    """Say what becomes of cuts at given places."""
    return [verdict(stamp, "sdss") for stamp in read_stamps(frame, ("r",), places=table)]


def sdss_field(folder: Path) -> None:
    """Completeness by magnitude, and what passes where the catalogue has nothing."""
    frame = folder / f"frame-r-{FIELD}.fits.bz2"
    with fits.open(folder / f"photoObj-{FIELD}.fits.gz") as file:
        table = file[1].data
        names = ("ra", "dec", "objc_type", "nchild", "colc", "rowc")
        facts = {name: np.asarray(table[name]) for name in names}
        facts["mag"] = 22.5 - 2.5 * np.log10(np.clip(table["modelflux"][:, 2], 1e-3, None))
    x, y = facts["colc"][:, 2], facts["rowc"][:, 2]
    inside = (x > 40) & (x < 2008) & (y > 40) & (y < 1449) & (facts["nchild"] == 0)
    for low, high in ((14, 18), (18, 20), (20, 21), (21, 21.5), (21.5, 22), (22, 22.5), (22.5, 23)):
        use = inside & (facts["objc_type"] == 3) & (facts["mag"] >= low) & (facts["mag"] < high)
        found = at_places(frame, Table({"ra": facts["ra"][use][:60], "dec": facts["dec"][use][:60]}))
        print(f"galaxies of r {low} to {high}: {found.count('taken')} of {len(found)} taken")
    wcs = WCS(fits.getheader(frame))
    rng, blank = np.random.default_rng(1), []
    while len(blank) < 300:
        px, py = rng.uniform(60, 1988), rng.uniform(60, 1420)
        if np.hypot(x - px, y - py).min() > 20:
            blank.append((px, py))
    ra, dec = wcs.pixel_to_world_values(*np.array(blank).T)
    found = at_places(frame, Table({"ra": ra, "dec": dec}))
    print(f"places 8 arcsec from any catalogued object: {found.count('taken')} of {len(found)} taken")


def blank_mocks(n: int) -> None:
    """Count images of nothing that pass."""
    for name, bands in (("sdss", "r"), ("sdss", "gri"), ("hsc-wide", "gri"), ("legacy-decals", "grz")):
        survey, taken = load_survey(name), 0
        for number in range(n):
            conditions = draw_conditions(survey, tuple(bands), stream(number, "c"))
            margin = max(len(psf) for psf in conditions.psf) // 2
            side = (Preparation().window + 2 * margin) * 3
            empty = IdealImage(
                np.zeros((len(bands), side, side)), survey.pixel_scale / 3, tuple(bands), 3, margin,
                np.zeros(len(bands)),
            )  # fmt: skip
            cutout = observe(empty, survey, conditions, stream(number, "n"))
            taken += verdict(RawStamp.from_cutout(cutout, f"blank{number}", {}), name) == "taken"
        print(f"blank mocks of {name} {bands}: {taken} of {n} taken")


def hsc_footprints(path: Path) -> None:
    """Stars among the targets of footprints, by us and by the width of a fitted Gaussian."""
    with h5py.File(path) as file:
        stored = {name: (group["image"][()], group["psf"][()]) for name, group in file["objects"].items()}
    counts: dict[tuple[bool, bool], int] = {}
    unclear = 0
    for stamp in read_stamps(path, ("g", "r", "i")):
        image, psf = stored[str(stamp.metadata["source_index"])]
        ratios = []
        for band in (1, 2, 3):
            size = 9
            where = tuple(map(float, stamp.position))
            near = np.nan_to_num(image[band]) - np.median(image[band])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                own = float(np.ravel(fit_fwhm(near, xypos=where, fit_shape=size))[0])
                centre = tuple((np.array(psf[band].shape[::-1]) - 1) / 2)
                ratios.append(own / float(np.ravel(fit_fwhm(psf[band], xypos=centre, fit_shape=size))[0]))
        if not np.isfinite(ratios).all() or not 0.5 < np.median(ratios) < 20:
            unclear += 1
            continue
        key = "a star" in stamp.problem, bool(np.median(ratios) < STAR_WIDTH)
        counts[key] = counts.get(key, 0) + 1
        if key[0] != key[1]:
            print("   differ:", stamp.metadata["source_index"], np.round(ratios, 2), stamp.problem)
    for (ours, theirs), count in sorted(counts.items()):
        print(f"HSC targets, star by us {ours}, by the fitted width {theirs}: {count}")
    print(f"HSC targets without a fitted width: {unclear}")


def run(arguments: argparse.Namespace) -> None:
    """Print all counts."""
    observed = arguments.data / "observed"
    hsc_footprints(observed / "hsc-cosmos-blends" / "hsc-cosmos-blends.h5")
    sdss_field(observed / f"sdss-field-{FIELD}")
    blank_mocks(arguments.blank)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--blank", type=int, default=200)
    sys.exit(run(parser.parse_args()))
