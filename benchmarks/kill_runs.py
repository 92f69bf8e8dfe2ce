"""Kill every command by signal 9 at many moments; the reruns must make what an uninterrupted run makes.

Run it with  python benchmarks/kill_runs.py [--kills N] [--verbs mock,score] [--seed S]

Each command works on toy galaxies in a process of its own, which is killed at moments spread over the time
that it takes, two or three times in a row, and then left to finish. Compared are the SHA-256 of all products
and the galaxies in them. The last parts kill the workers of a local Dask cluster instead, and the command
with its cluster; and one worker after the other of a scheduler file, while whole commands run.
"""

import argparse
import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import psutil
from astropy.io import fits

from mocks.observing.psf import gaussian_psf
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main as simcompare
from simcompare.commands import mock as mock_command
from simcompare.commands import score as score_runs
from simcompare.commands import twins as twins_command
from simcompare.commands.mock import make_mocks
from simcompare.images.image_set import ImageSet
from simcompare.observed import sample
from simcompare.settings import MockSettings

VERBS = {
    "mock": "mock toy-1 --out mock --redshift 0.05 --size 32 --views 2 --workers 1",
    "prepare": "prepare stamps.h5 --out prepare --size 32 --workers 1",
    "twins": "twins real --out twins --workers 1",
    "train": "train real --out train --epochs 6",
    "score": "score real mock --model train --out score --batch-size 4 --workers 1",
    "compare": "compare score --reference toys --out compare --bootstrap 100",
    "report": "report compare",
    "prepare-2": "prepare stamps.h5 --out prepare-2 --size 32 --workers 2",
    "sky": "sky coadds --out sky/bank.h5 --survey hsc-wide --size 32 --per-field 20",
    "nulls": "nulls real mock --model train --out nulls --epochs 1 --seeds 1 --seed 2 --workers 1",
    "attribute": "attribute toy-2 --real real --model train --out attribute --redshift 0.05 --size 32 "
    "--percents 10 --dusts none --no-real-conditions --workers 1",
    "reobserve": "reobserve deep --out reobserve --size 32 --workers 1",
    "browse": "browse score",
    "fits": "export real --out fits",
    "mmu": "export real --out mmu/images.h5 --layout mmu",
    "fetch": "fetch sdss-psfield --out fetch --targets fields.csv --base {base} --rate 100 --parallel 2",
    "run": "run workflow.toml",
    "demo": "demo --out demo --workers 1",
}
LONG = ("demo",)  # minutes each time: only when named
INTO = {"report": "compare", "browse": "score"}  # written into the folder of another command
NEEDED = ("mock", "prepare", "twins", "train", "score", "compare")  # by the others
SCHEDULED = ("mock", "prepare", "twins", "score")
# The last holds the hash of the page, which says when it was made.
NOT_COMPARED = ("run.log", "provenance.json", "config.toml", "model-card.md", "report-products.json")
# Of a workflow: they tell how long the training took; job scripts write no workflow.toml.
NOT_COMPARED_OF_WORKFLOWS = ("training.ecsv", "report.html", "report.json", "workflow.toml")
# Dates and measured times, the only things in which two runs may differ, and the hashes of what states them.
MOMENTS = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+00:00| UTC)?|(seconds|minutes|mtime)\S* *[=:] *[\d.e-]+"
    rb"|(facts|history)_sha256 = \"\w+\""
)


def make_inputs(folder):
    """Toy simulation, toy real galaxies, and a stack of stamps with a duplicate."""
    write_tng_snapshot(folder / "toy-1", toy_galaxies("toy-1", 8, 3))
    write_tng_snapshot(folder / "toy-2", toy_galaxies("toy-1", 2, 4))
    write_tng_snapshot(folder / "nature", toy_galaxies("toy-real", 40, 5))
    settings = MockSettings(
        inputs=[folder / "nature"], out=folder / "real", name="toys", redshift=0.05, size=32, workers=1
    )
    make_mocks(settings, kind="observed", fractions=(0.5, 0.2, 0.3))
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:128, :128] - 64.0
    images = [
        50 * np.exp(-np.hypot(x, y * q) / r) / r**2 + rng.normal(0, 0.02, x.shape)
        for q, r in zip(rng.uniform(1, 2, 24), rng.uniform(2, 5, 24), strict=True)
    ]
    with h5py.File(folder / "stamps.h5", "w") as file:
        file["image"] = np.array(images, dtype=np.float32)[:, None]
        file["ra_deg"] = np.r_[10 + np.arange(23) / 10, 10.5]
        file["dec_deg"] = np.full(24, 0.05)
        attributes = {"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3}
        file.attrs.update(attributes)
    make_coadd(folder)
    (folder / "deep").mkdir()
    light = 60 * gaussian_psf(30.0, 161)
    for k in range(3):
        with h5py.File(folder / "deep" / f"{k}.h5", "w") as file:
            file["image"] = (light + rng.normal(0, 0.004, (2, 1, *light.shape))).astype("f4")
            file["psf"] = gaussian_psf(3.5, 25)[None]
            file.attrs.update(bands="r", pixel_scale_arcsec=0.2, units="nanomaggy")
    rows = [f"756,1,{field}" for field in range(100, 112)]
    (folder / "fields.csv").write_text("\n".join(["run,camcol,field", *rows]))
    (folder / "workflow.toml").write_text(WORKFLOW)


WORKFLOW = """
out = "run"
size = 32
workers = 1
real_conditions = false
[prepare]
inputs = ["stamps.h5"]
train = 0.5
validation = 0.25
[train]
epochs = 3
[mock.toy-1]
inputs = ["toy-1"]
redshift = 0.05
[mock.toy-2]
inputs = ["toy-2"]
redshift = 0.05
[compare]
bootstrap = 200
"""


class Archive(BaseHTTPRequestHandler):
    """A slow server that has every file: half a megabyte told by its name, from any byte on."""

    def do_GET(self):
        """Send a file."""
        told = hashlib.sha256(self.path.encode()).digest() * 2**14
        packed = io.BytesIO()
        fits.PrimaryHDU(np.frombuffer(told, np.uint8)).writeto(packed)
        content = packed.getvalue()
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        with contextlib.suppress(OSError):  # its client was killed
            for first in range(start, len(content), 2**15):
                self.wfile.write(content[first : first + 2**15])
                time.sleep(0.01)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def archive():
    """Serve files on this machine; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make_coadd(folder):
    """Blank HSC sky, and a folder for its patches."""
    rng = np.random.default_rng(2)
    (folder / "coadds").mkdir()
    (folder / "sky").mkdir()
    planes = [rng.normal(0, 1, (200, 200)), np.zeros((200, 200), np.int32), np.ones((200, 200))]
    names = ("IMAGE", "MASK", "VARIANCE")
    hdus = [fits.ImageHDU(plane, name=name) for plane, name in zip(planes, names, strict=True)]
    for bit, name in enumerate(("BAD", "DETECTED", "NO_DATA")):
        hdus[1].header[f"HIERARCH MP_{name}"] = bit
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / "coadds" / "patch-r.fits")
    fits.PrimaryHDU(gaussian_psf(4.0, 41)).writeto(folder / "coadds" / "patch-r-psf.fits")


def start(words, folder):
    """Give a command in a forked process, the first of its group; its number."""
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.setsid()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        status = 1
        with contextlib.suppress(BaseException):
            status = simcompare(["--quiet", *words])
        os._exit(status)
    return child


def run(words, folder, kill_after=None):
    """Run a command in a forked process; whether it ended by itself, and after how many seconds."""
    begin = time.monotonic()
    child = start(words, folder)
    while kill_after is None or time.monotonic() - begin < kill_after:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"FAILED: {' '.join(words)} ended with {status}; see {folder}")
            return True, time.monotonic() - begin
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False, kill_after


def products(folder):
    """Hash of every file that a rerun must make alike."""
    left_out, files = NOT_COMPARED, {}
    if (folder / "comparison").is_dir():
        left_out += NOT_COMPARED_OF_WORKFLOWS
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in left_out:
            content = path.read_bytes()
            if path.suffix == ".csv":
                rows = [row.split(",") for row in content.decode().splitlines()]
                timed = [i for i, name in enumerate(rows[0]) if "second" in name or "time" in name]
                content = repr([[x for i, x in enumerate(row) if i not in timed] for row in rows]).encode()
            if path.suffix in (".html", ".json", ".toml"):
                content = MOMENTS.sub(b"", content)
            files[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return files


def galaxies(folder):
    """Names of the images of a run that has some, in their order."""
    if not any((folder / "images").glob("part-*.h5")):
        return []
    table = ImageSet.open(folder).catalogue
    return [f"{row['dataset']} {row['galaxy_id']} {row['view']}" for row in table]


def check(verb, out, golden):
    """Refuse a run that differs from the uninterrupted one."""
    made = products(out)
    wrong = sorted(name for name in made.keys() | golden[0].keys() if made.get(name) != golden[0].get(name))
    names = galaxies(out)
    if wrong or names != golden[1] or len(set(names)) < len(names):
        raise SystemExit(f"FAILED: {verb} after kills differs in {wrong}; see {out}")


def kill_verb(verb, work, rng, kills):
    """Kill one command at moments spread over its time, twice or more in a row."""
    words = VERBS[verb].split()
    out = work / INTO.get(verb, verb)
    before = work / "before"
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        shutil.copytree(out, before)
    run(words, work)
    golden = products(out), galaxies(out)

    def restart():
        shutil.rmtree(out)
        if before.exists():
            shutil.copytree(before, out)

    restart()
    seconds = run(words, work)[1]
    moments = (rng.permutation(kills) + rng.uniform(size=kills)) / kills
    done = late = 0
    restart()
    for number, moment in enumerate(moments):
        finished, _ = run(words, work, kill_after=moment * seconds)
        done, late = done + (not finished), late + finished
        if number % 3 == 2 or number == kills - 1:
            run(words, work)
            check(verb, out, golden)
            restart()
    run(words, work)
    print(f"{verb:9s} {done:4d} kills in {seconds:.2f} s ({late} more came after the end): same", flush=True)


def kill_workers(work, rng, kills):
    """Kill Dask workers, then whole clusters, while mocks are made by two workers."""
    words = VERBS["mock"].replace("--workers 1", "--workers 2").split()
    out = work / "mock"
    golden = products(out), galaxies(out)
    shutil.rmtree(out)
    done = whole = 0
    while done + whole < kills:
        child = start(words, work)
        ended = None
        for _ in range(3):
            time.sleep(rng.uniform(1, 4))
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            servers = [
                each for each in psutil.Process(child).children() if "forkserver" in str(each.cmdline())
            ]
            workers = [each for server in servers for each in server.children()]
            if workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    workers[rng.integers(len(workers))].kill()
                    done += 1
        if not ended and rng.uniform() < 0.5:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            whole += 1
            continue
        if not ended:
            _, status = os.waitpid(child, 0)
        if status == 0:
            check("mock", out, golden)
            shutil.rmtree(out)
    run(VERBS["mock"].split(), work)
    check("mock", out, golden)
    print(f"dask     {done:4d} kills of workers, {whole} of the command with its cluster: same", flush=True)


@contextlib.contextmanager
def cluster(folder):
    """Start a scheduler with its file and two workers, as batch jobs do; yields what keeps the latter up."""
    file = folder / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    def begin(program, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(file)]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command += ["--no-dashboard", *options]
        return subprocess.Popen(command, cwd=folder, env=environment, **silent)

    scheduler, nannies = begin("scheduler", "--host", "127.0.0.1", "--port", "0"), []
    while not file.is_file():
        time.sleep(0.1)

    def keep_up():
        nannies[:] = [nanny for nanny in nannies if nanny.poll() is None]
        while len(nannies) < 2:
            nannies.append(begin("worker", "--nthreads", "1"))
        return nannies

    try:
        yield keep_up
    finally:
        for process in (*nannies, scheduler):
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
            process.wait()


def kill_scheduled(work, rng, kills):
    """Kill one worker after the other of a scheduler file while whole commands run there."""
    with cluster(work) as keep_up:
        for verb in SCHEDULED:
            words, out = VERBS[verb].split(), work / verb
            golden = products(out), galaxies(out)
            done = again = 0
            while done < kills:
                shutil.rmtree(out)
                child = start([*words, "--scheduler", "scheduler.json"], work)
                moments = list(time.monotonic() + np.cumsum(rng.uniform(0.5, 4, 3)))  # then they may finish
                while not (ended := os.waitpid(child, os.WNOHANG))[0]:
                    time.sleep(0.1)
                    nanny = keep_up()[rng.integers(2)]
                    if moments and time.monotonic() > moments[0]:
                        workers = psutil.Process(nanny.pid).children()
                        for worker in [each for each in workers if "spawn_main" in " ".join(each.cmdline())]:
                            moments = moments[1:]
                            worker.kill()
                            done += 1
                if ended[1]:  # the cluster gave a task up whose workers all died
                    again += 1
                    run(words, work)
                check(verb, out, golden)
            counts = f"{verb:9s} {done:4d} kills of workers of a scheduler file, {again} reruns"
            print(f"{counts}: same", flush=True)


def main():
    """Kill each command, in the order in which they need each other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--verbs", default=",".join([*(verb for verb in VERBS if verb not in LONG), "dask", "scheduler"])
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Several parts from few galaxies.
    mock_command._IMAGES_PER_PART, twins_command._TWINS_PER_PART, score_runs._IMAGES_PER_TASK = 4, 6, 8
    sample.PART_BYTES = 6 * 9 * 32**2
    wanted = options.verbs.split(",")
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder, archive() as base:
        work = Path(folder)
        VERBS["fetch"] = VERBS["fetch"].format(base=base)
        make_inputs(work)
        for verb in VERBS:
            if verb in wanted:
                kill_verb(verb, work, rng, options.kills)
            elif verb in NEEDED and (verb != "compare" or "report" in wanted):
                run(VERBS[verb].split(), work)
        if "scheduler" in wanted:
            kill_scheduled(work, rng, max(2, options.kills // 4))
        if "dask" in wanted:
            kill_workers(work, rng, max(2, options.kills // 4))
    print("all reruns made the same products")


if __name__ == "__main__":
    sys.exit(main())
