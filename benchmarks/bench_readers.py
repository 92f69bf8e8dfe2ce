"""Cost of the snapshot readers: a galaxy against the bare reads, regions, a catalogue of a million subhaloes.

Run as ``python benchmarks/bench_readers.py``; everything is written to a temporary folder first. With
``SIMCOMPARE_DATA`` set, the EAGLE galaxy and the RAMSES output of the real data are read too.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from mocks.readers import open_snapshot
from mocks.toys import ToyPhysics, toy_galaxies, write_eagle_snapshot, write_ramses_output, write_tng_snapshot

LIMIT_RATIO, LIMIT_SECONDS, LIMIT_GIB = 3.0, 5.0, 1.0
REPEATS = 40
SIZES = (3_000, 30_000, 200_000)  # stars of a galaxy: TNG100 at 5e9 and 5e10 Msun, TNG50 at 2e10 Msun
SUBHALOES = 1_000_000


def toys(n: int, stars: int, **options) -> list:
    physics = ToyPhysics("toy-real", 1.0, 0.08, 0.8, 0.6, most_particles=stars)
    return toy_galaxies(physics, n, **options)


def report(name: str, size: str, ours, bare) -> None:
    """Print the shortest times of many runs taken in turn [processor time; files in the system's cache]."""
    times = {ours: [], bare: []}
    for _ in range(REPEATS):
        for function, taken in times.items():
            start = time.process_time()
            function()
            taken.append(1e3 * (time.process_time() - start))
    ours, bare = min(times[ours]), min(times[bare])
    verdict = "ok" if ours <= LIMIT_RATIO * bare else "SLOW"
    print(f"{name:<34}{size:>20}{ours:10.2f} ms{bare:10.2f} ms{ours / bare:8.2f}x  {verdict}")


def bare_hdf5(pieces: list[tuple[Path, str, list[str], slice]]) -> None:
    """Read datasets as they are: (file, group, names, rows)."""
    for path, group, names, rows in pieces:
        with h5py.File(path) as file:
            for name in names:
                file[group][name][rows]


def tng(folder: Path, stars: int) -> None:
    galaxies = toys(4, stars, seed=1, gas=True)
    path = write_tng_snapshot(folder / f"tng-{stars}", galaxies, n_files=3)
    snapshot = open_snapshot(path)
    snapshot.read(2)  # fills what is kept between galaxies: catalogue, offsets
    starts, by_chunk = snapshot._offsets
    lengths, pieces = snapshot._subhaloes["SubhaloLenType"][2], []
    for kind in (0, 4):
        names = [dataset for dataset, _ in snapshot._columns[kind].values()]
        first, last = starts[2][kind], starts[2][kind] + lengths[kind]
        edges = np.append(by_chunk[kind], 10**12)
        for i, chunk in enumerate(snapshot.chunks):
            low, high = max(first, edges[i]), min(last, edges[i + 1])
            if high > low:
                pieces.append((chunk, f"PartType{kind}", names, slice(low - edges[i], high - edges[i])))
    size = f"{len(galaxies[2].stars)} stars + gas"
    report("TNG snapshot, galaxy", size, lambda: snapshot.read(2), lambda: bare_hdf5(pieces))


def eagle(folder: Path, stars: int) -> None:
    galaxies = toys(8, stars, seed=2)
    path = write_eagle_snapshot(folder / f"eagle-{stars}", galaxies, n_files=8, hash_bits=6)
    snapshot = open_snapshot(path)
    row = snapshot.catalogue()[5]
    number = int(row["subhalo_id"])
    snapshot.read(number)
    with h5py.File(snapshot.chunks[0]) as file:
        skipped = {"Metallicity"}  # the smoothed one is read
        names = [name for name in file["PartType4"] if name not in skipped]
    ranges = snapshot._ranges(4, np.array([row["x"], row["y"], row["z"]]))
    pieces = [
        (snapshot.chunks[i], "PartType4", names, rows) for i, slices in ranges.items() for rows in slices
    ]
    read = sum(rows.stop - rows.start for *_, rows in pieces)
    whole = sum(len(galaxy.stars) for galaxy in galaxies)
    size = f"{read} stars"
    report("EAGLE hash table, galaxy", size, lambda: snapshot.read(number), lambda: bare_hdf5(pieces))
    print(
        f"{'':34}rows read: {read} of {whole} ({100 * read / whole:.0f} %), files opened: {len(ranges)} of 8"
    )


def ramses(folder: Path, stars: int) -> None:
    galaxies = toys(8, stars, seed=3)
    snapshot = open_snapshot(write_ramses_output(folder / f"ramses-{stars}", galaxies, n_cpu=64))
    row = snapshot.catalogue()[5]
    centre = np.array([row["x"], row["y"], row["z"]])
    files = snapshot._files_in_sphere(centre, 60.0)

    def bare() -> None:
        """Arrays of the stars of those files, in code units, wherever they are."""
        columns = [[] for _ in range(11)]
        for path in files:
            raw = path.read_bytes()
            n = int(np.frombuffer(raw, "<i4", 1, 28)[0])  # behind two records and a marker
            place = 116  # of the first array: eight header records
            arrays = []
            for kind in ["<f8"] * 7 + ["<i4"] * 2 + ["<f8"] * 2:
                arrays.append(np.frombuffer(raw, kind, n, place + 4))
                place += 8 + n * np.dtype(kind).itemsize
            is_star = arrays[9] != 0
            for column, array in zip(columns, arrays, strict=True):
                column.append(array[is_star])
        for column in columns:
            np.concatenate(column)

    size = f"{len(galaxies[5].stars)} stars"
    report("RAMSES region", size, lambda: snapshot.read_region(centre, 60.0), bare)
    print(f"{'':34}CPU files read: {len(files)} of 64")


def real(data: Path) -> None:
    path = data / "simulated" / "eagle_gn92_sgn9_snap28" / "SimSpin_example_EAGLE_full.hdf5"
    snapshot = open_snapshot(path)
    snapshot.read(9200009)
    fields = "Coordinates Mass InitialMass StellarFormationTime SmoothedMetallicity Velocity SmoothingLength"
    pieces = [(path, "PartType4", fields.split(), slice(None))]
    report("EAGLE galaxy (real)", "7524 stars", lambda: snapshot.read(9200009), lambda: bare_hdf5(pieces))


def write_catalogue(folder: Path) -> Path:
    """Write a TNG snapshot of toys and blow its catalogue up to a million subhaloes."""
    path = write_tng_snapshot(folder / "big", toy_galaxies("toy-1", 2, seed=4), n_files=2)
    groups, n = path / "output" / "groups_099", SUBHALOES
    for file_path in groups.iterdir():
        with h5py.File(file_path, "r+") as file:
            is_full = len(file["Subhalo"]) > 0
            counts = {"Nsubgroups_Total": n, "Nsubgroups_ThisFile": n if is_full else 0}
            file["Header"].attrs.update({name: np.int32(value) for name, value in counts.items()})
            for name in list(file["Subhalo"]):
                values = file["Subhalo"][name][()]
                del file["Subhalo"][name]
                file["Subhalo"][name] = np.resize(values, (n, *values.shape[1:]))
    return path


# The peak that getrusage tells of a child starts at its parent's
MEASURE = """
import re, sys, time
from pathlib import Path
from mocks.readers import open_snapshot
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**20
before = peak()
start = time.perf_counter()
table = open_snapshot(sys.argv[1]).catalogue()
print(len(table), time.perf_counter() - start, before, peak())
"""


def catalogue(folder: Path) -> None:
    path = write_catalogue(folder)
    done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
    rows, seconds, before, peak = (float(word) for word in done.stdout.split())
    verdict = "ok" if seconds < LIMIT_SECONDS and peak < LIMIT_GIB else "OVER"
    print(
        f"catalogue of {SUBHALOES} subhaloes: {seconds:.2f} s, {rows:.0f} with stars, peak {peak:.2f} GiB "
        f"({before:.2f} before)  {verdict}"
    )


def main() -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'':34}{'size':>20}{'ours':>13}{'bare reads':>13}{'ratio':>9}  (limit {LIMIT_RATIO:g}x)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stars in SIZES:
            tng(folder, stars)
            eagle(folder, stars)
            ramses(folder, stars)
        if "SIMCOMPARE_DATA" in os.environ:
            real(Path(os.environ["SIMCOMPARE_DATA"]))
        catalogue(folder)
    print(f"peak memory of this script {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
