"""Cost of checking known hashes: the first reading of an image set against that of its pixels alone.

Run it as ``python benchmarks/bench_hashes.py [NUMBER OF IMAGES]``.
"""

import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.images import joining
from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.runs import ledger

SIDE, BANDS, PER_PART = 64, ("g", "r", "i"), 200


def write_set(folder: Path, n: int) -> None:
    """Image set of noise with the record of each part."""
    rng = np.random.default_rng(0)
    for number, start in enumerate(range(0, n, PER_PART)):
        count = min(PER_PART, n - start)
        shape = (count, len(BANDS), SIDE, SIDE)
        stack = Stack(
            image=rng.normal(size=shape),
            variance=np.ones(shape),
            mask=np.zeros(shape, np.uint8),
            psf=np.full((count, len(BANDS), 25, 25), 1 / 625),
            quantum=np.full((count, len(BANDS)), 0.005),
        )
        names = [f"galaxy-{start + i}" for i in range(count)]
        fixed = {"galaxy_id": names, "dataset": ["noise"] * count, "split": ["test"] * count}
        catalogue = Table({**fixed, "view": [0] * count, "flags": [0] * count})
        for name in (f"{quantity}_{band}" for band in BANDS for quantity in ("mag", "sky_sigma", "psf_fwhm")):
            catalogue[name] = 1.0
        path = part_path(folder, number)
        write_part(
            path, stack, catalogue, name="noise", kind="simulated", survey="sdss", bands=BANDS,
            pixel_scale=0.396, preparation=Preparation(size=SIDE),
        )  # fmt: skip
        ledger.write_record(path, {})


def best_time(folder: Path, check: bool) -> float:
    """Least time of three to read all pixels and the catalogue [s]."""
    durations = []
    for _ in range(3):
        ledger._hash_once.cache_clear()
        joining.check_hash = ledger.check_hash if check else (lambda path: None)
        start = time.perf_counter()
        images = ImageSet.open(folder)
        assert len(images.catalogue) == len(images)
        for _ in images.batches(64):
            pass
        durations.append(time.perf_counter() - start)
    return min(durations)


def main(n: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        write_set(Path(folder), n)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.h5"))
        plain, checked = best_time(Path(folder), False), best_time(Path(folder), True)
    print(f"{platform.processor() or platform.machine()}, {n} images, {size / 1e6:.0f} MB")
    print(f"read {plain:.3f} s, with hashes {checked:.3f} s: {100 * (checked / plain - 1):.0f} % more,")
    print(f"{size / 1e9 / max(checked - plain, 1e-9):.2f} GB/s of hashing")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
