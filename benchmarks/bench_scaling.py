"""Memory, overhead and scaling of the engine on this machine, and what follows for large runs.

Run it with  python benchmarks/bench_scaling.py [memory] [overhead] [scaling] [projection]

Memory and files are those of image sets of 8 x 8 pixels, made and scored by the same code as any other, each
in a process of its own. Scaling is that of toy mocks. The projection says what it assumes.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from flows import FlowConfig, FlowModel
from mocks import mock_galaxy
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.commands import score as score_runs
from simcompare.commands.compare import compare_runs
from simcompare.commands.mock import make_mocks
from simcompare.commands.report import report_run
from simcompare.commands.score import write_scores
from simcompare.images.build import Images, make_parts
from simcompare.images.parts import collect_stamps
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.stamps import PreparedStamp
from simcompare.runs.folder import open_run
from simcompare.runs.tasks import available_cores, run_tasks
from simcompare.settings import CompareSettings, MockSettings, ReportSettings, ScoreSettings

SIDE = 8
PER_PART = 100
ASSUMED = """Assumed: 20 000 galaxies (M* > 1e9 Msun) of TNG100 x 4 views, ten times
the toy's particles and time in proportion to them; scores by two flows in 8 orientations; nodes of 64 cores
used at 80 %; a GPU that sustains 5 TFLOP/s on these small convolutions; files read at 1 GB/s."""


def small_images(task, _watch):
    """Make prepared galaxies that cost nothing."""
    name, first = task
    rng = np.random.default_rng(first)
    stamps = []
    for number in range(first, first + PER_PART):
        shape = (1, SIDE, SIDE)
        row = {"galaxy_id": f"g{number}", "dataset": name, "view": 0, "split": "test", "flags": 0}
        row["sky_level_r"] = 0.0
        for column, typical in (("mag_r", 17), ("sky_sigma_r", 1), ("psf_fwhm_r", 1.3)):
            row[column] = typical * rng.uniform(0.9, 1.1)
        row |= {f"property_{i}": rng.normal() for i in range(20)}
        stamps.append(
            PreparedStamp(
                image=rng.normal(size=shape).astype(np.float32),
                variance=np.ones(shape, np.float32),
                mask=np.zeros(shape, np.uint8),
                psf=np.ones((1, 3, 3), np.float32) / 9,
                quantum=np.zeros(1, np.float32),
                row=row,
            )
        )
    return Images(*collect_stamps(stamps))


def make_set(folder, name, kind, n):
    """Make n small images."""
    settings = MockSettings(inputs=[folder], out=folder / name, workers=1)
    description = {"name": name, "kind": kind, "survey": "sdss", "bands": ("r",),
                   "pixel_scale": 0.396, "preparation": Preparation(size=SIDE)}  # fmt: skip
    with open_run(settings.out, "mock", settings, []) as run:
        make_parts(run, small_images, [(name, first) for first in range(0, n, PER_PART)], description)
    return settings.out


def watched(seen, end):
    """Note every millisecond how many files are open and how much memory is taken, where the system tells."""
    while Path("/proc/self/fd").is_dir() and not end.wait(0.001):
        seen.append((len(os.listdir("/proc/self/fd")), *resident()))


def resident():
    """Own memory of this process, and pages of files that are in it: the code of libraries [MB]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":") for line in lines if line.startswith("Rss"))
    return tuple(int(sizes[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))


STEPS = {
    "mock": lambda n, folder: [make_set(folder, "real", "observed", 500),
                               make_set(folder, "small", "simulated", n)],
    "score": lambda n, folder: write_scores(ScoreSettings(
        images=[folder / "real", folder / "small"], model=folder / "flow", symmetries=False, workers=1,
        out=folder / "scores")),
    "compare": lambda n, folder: compare_runs(CompareSettings(
        scores=[folder / "scores"], out=folder / "compare", reference="real")),
    "report": lambda n, folder: report_run(ReportSettings(run=folder / "compare")),
}  # fmt: skip


def one_step(name, n, folder):
    """Take one step of the chain and print its seconds, and its peaks of memory and of open files.

    Code of libraries that was imported before is read from disk where it is first called; it is told apart.
    """
    if name == "mock":
        FlowModel(FlowConfig(size=SIDE, softening=(0.1,), widths=(4,), steps=(1,))).save(folder / "flow")
    seen, end = [(0, *resident())], threading.Event()
    watcher = threading.Thread(target=watched, args=(seen, end), daemon=True)
    watcher.start()
    start = time.process_time()
    STEPS[name](n, folder)
    seconds = time.process_time() - start
    end.set()
    watcher.join()
    opened, own, code = (max(column) for column in zip(*seen, strict=True))
    _, own_before, code_before = seen[0]
    found = {"libraries": own_before + code_before, "own": own - own_before, "code": code - code_before}
    print(json.dumps(found | {"seconds": seconds, "open": opened}))


def memory():
    """Peak memory, open files and number of files of the whole chain at three sizes."""
    print("\npeak memory of each step for mocks of 8 x 8 pixels, 100 a part, beside 500 real images;")
    print(
        "each in a process of its own: libraries when imported, own memory and code of libraries above that"
    )
    for n in (1_000, 10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            for name in STEPS:
                command = [sys.executable, __file__, "--step", name, str(n), folder]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                row = json.loads(done.stdout.splitlines()[-1])
                files = sum(len(names) for _, _, names in os.walk(folder))
                print(
                    f"{n:7d} {name:8s} {row['libraries']:5.0f} MB, own {row['own']:4.0f} MB, "
                    f"code {row['code']:3.0f} MB, {row['open']:4d} open "
                    f"{files:6d} files {row['seconds']:7.1f} s", flush=True,
                )  # fmt: skip


def nothing(number):
    """Task that does nothing."""
    return number


def overhead():
    """Seconds per task that does nothing, and what 1e6 of them would take."""
    print("\noverhead of tasks that do nothing, 2 local workers")
    for n in (1_000, 10_000):
        own, start = time.process_time(), time.perf_counter()
        assert sum(run_tasks(nothing, range(n), 2)) == n * (n - 1) // 2
        wall, own = time.perf_counter() - start, time.process_time() - own
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{n:7d} tasks {wall:6.1f} s wall, {own:6.1f} s CPU of client and scheduler, "
            f"{1e3 * own / n:.2f} ms a task; 1e6 tasks {own / n * 1e6 / 3600:.1f} h; peak {peak:.0f} MB",
            flush=True,
        )
    return own / n


def scaling():
    """Make mocks by one and by all workers: the same work, and the same work per worker."""
    n, cores = 32, available_cores()
    print(f"\nscaling of toy mocks on {cores} cores (load before: {os.getloadavg()[0]:.1f})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tng_snapshot(folder / "toy-1", toy_galaxies("toy-1", n, 3))
        seconds = {}
        for label, workers, views in (("one", 1, 24), ("strong", cores, 24), ("weak", cores, 24 * cores)):
            settings = MockSettings(
                inputs=[folder / "toy-1"], out=folder / label, redshift=0.05, views=views, workers=workers
            )
            start = time.perf_counter()
            make_mocks(settings)
            seconds[label] = time.perf_counter() - start
            print(f"{n * views:5d} images, {workers} workers: {seconds[label]:6.1f} s", flush=True)
    print(
        f"strong scaling {seconds['one'] / seconds['strong'] / cores:.0%}, "
        f"weak scaling {seconds['one'] / seconds['weak']:.0%}, start of the cluster included"
    )
    ideal = seconds["one"] * (cores - 1) / cores
    print(f"between the runs on all workers: {ideal / (seconds['weak'] - seconds['strong']):.0%} of ideal")


def projection():
    """Time and disk of large runs from the cost of one image on one core of this machine."""
    galaxy = toy_galaxies("toy-1", 1, 3)[0]
    mock_galaxy(galaxy, "sdss", "gri", seed=0, redshift=0.05, size=128)
    start = time.process_time()
    for view in range(3):
        mock_galaxy(galaxy, "sdss", "gri", seed=0, redshift=0.05, size=128, view_index=view)
    mock = (time.process_time() - start) / 3
    flow = FlowModel(FlowConfig(size=64, n_bands=3, softening=(0.1,) * 3))
    images = np.random.default_rng(0).normal(size=(score_runs._IMAGES_PER_TASK, 3, 64, 64)).astype(np.float32)
    flow.log_prob(images[:8])
    start = time.process_time()
    flow.log_prob(images)
    score = (time.process_time() - start) / len(images)
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        flow.log_prob(images[:8])
    flops = counter.get_total_flops() / 8
    n_mocks, n_score, evaluations = 20_000 * 4, 1_000_000, 16
    print(f"\nprojection; one core of this machine ({platform.machine()}) needs {mock:.2f} s for one mock of")
    print(f"{len(galaxy.stars)} particles, gri, 128 px, and {1e3 * score:.1f} ms for log_prob, gri, 64 px")
    print(f"({flops / 1e6:.0f} MFLOP). {ASSUMED}")
    core_hours = 10 * mock * n_mocks / 3600
    scoring = score * n_score * evaluations / 3600
    gpu = flops * n_score * evaluations / 5e12 / 3600
    for nodes in (1, 10):
        per_hour = nodes * 64 * 0.8
        print(f"{nodes:3d} node{'s' if nodes > 1 else ' '}: TNG100 mocks {core_hours / per_hour:8.2f} h, "
              f"1e6 HSC scores {scoring / per_hour:8.2f} h")  # fmt: skip
    reading = n_score * 9 * 3 * 64**2 / 1e9 / 3600
    print(f"  1 GPU  : 1e6 HSC scores {gpu:8.2f} h of arithmetic, {reading:.2f} h of reading")
    print(f"disk: {n_mocks * 3 * 128**2 * 9 / 1e9:.0f} GB before compression in {n_mocks // 100} parts "
          f"({2 * n_mocks // 100} files)")  # fmt: skip


def main():
    """Run what is asked for."""
    if sys.argv[1:2] == ["--step"]:
        one_step(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    studies = {"memory": memory, "overhead": overhead, "scaling": scaling, "projection": projection}
    for name in sys.argv[1:] or studies:
        studies[name]()


if __name__ == "__main__":
    main()
