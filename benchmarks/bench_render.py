"""Time the way from particles to pixels, part by part, beside what a user would take instead.

    python benchmarks/bench_render.py [particles] [pixels] [repeats] [largest]

All candidates are interleaved in one run; the figure is the median of CPU seconds over all threads. Peers
that are not installed (``pip install py-sphviewer2 swiftsimio cosmos-synthesizer galsim``) are left out;
stamps of GalSim are drawn for 500 particles and scaled up. ``L1`` is the light that lies in the wrong pixel,
against the exact integral of the two-dimensional cubic spline, for renderers that draw it. At last, growth
from 1e4 particles to the largest number (1e6; with 1e7 it takes a minute), each in a process of its own.
"""

import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from mocks import ObservingConditions, random_view, stream
from mocks.deposit.kernel import cubic_spline, kernel_share
from mocks.deposit.particles import deposit
from mocks.deposit.smoothing import smoothing_lengths
from mocks.observing.blurring import convolve_psf
from mocks.observing.observe import add_noise, bin_pixels
from mocks.observing.psf import effective_psf

FRAME = 64.0  # kpc


def galaxy(n, rng):
    """Disc, bulge and halo: 70, 25 and 5 % of the particles; luminosities in three bands."""
    n_disc, n_bulge = int(0.7 * n), int(0.25 * n)
    radius, angle = rng.gamma(2, 3, n_disc), rng.uniform(0, 2 * np.pi, n_disc)
    height = 0.3 * np.arctanh(rng.uniform(-1, 1, n_disc))
    parts = [np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)]
    for count, scale in ((n_bulge, 0.6), (n - n_disc - n_bulge, 15.0)):
        root = np.sqrt(rng.uniform(0, 1, count))
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        parts.append(direction * (scale * root / (1 - root))[:, None])
    return np.concatenate(parts), rng.lognormal(0, 1, (3, n))


@njit(cache=True)
def at_pixel_centres(x, y, h, flux, n):
    """Draw one band the common way, with the kernel's value at pixel centres."""
    image = np.zeros((n, n))
    for i in range(len(x)):
        low_x, high_x = max(int(x[i] - h[i]), 0), min(int(x[i] + h[i]) + 1, n)
        low_y, high_y = max(int(y[i] - h[i]), 0), min(int(y[i] + h[i]) + 1, n)
        for row in range(low_y, high_y):
            for column in range(low_x, high_x):
                q = np.sqrt((column + 0.5 - x[i]) ** 2 + (row + 0.5 - y[i]) ** 2) / h[i]
                if q < 0.5:
                    image[row, column] += flux[i] * (1 - 6 * q * q + 6 * q**3) * 1.8189136 / h[i] ** 2
                elif q < 1:
                    image[row, column] += flux[i] * 2 * (1 - q) ** 3 * 1.8189136 / h[i] ** 2
    return image


def exact(x, y, h, flux, n):
    """Pixel integrals of every kernel, one band."""
    image = np.zeros((n, n))
    for i in range(len(x)):
        low_x, high_x = max(int(np.floor(x[i] - h[i])), 0), min(int(np.floor(x[i] + h[i])) + 1, n)
        low_y, high_y = max(int(np.floor(y[i] - h[i])), 0), min(int(np.floor(y[i] + h[i])) + 1, n)
        if low_x < high_x and low_y < high_y:
            shape = (high_y - low_y, high_x - low_x)
            share = kernel_share(x[i] - low_x, y[i] - low_y, h[i], shape, 64)
            image[low_y:high_y, low_x:high_x] += flux[i] * share
    return image


def renderers(x, y, h, flux, n):
    """Name -> (call, bands that a call draws of all particles, whether it draws the cubic spline)."""
    found = {
        "mocks.deposit": (lambda: deposit(x, y, h, flux, (n, n)), 3, True),
        "pixel centres": (lambda: at_pixel_centres(x, y, h, flux[0], n), 1, True),
        "histogram, unsmoothed": (
            lambda: np.histogram2d(y, x, bins=n, range=[[0, n], [0, n]], weights=flux[0])[0], 1, False,
        ),
    }  # fmt: skip
    peers = {
        "synthesizer": (synthesizer, 3, True),
        "swiftsimio subsampled": (swiftsimio, 1, False),
        "py-sphviewer2, 4 times finer": (sphviewer, 1, False),
        "GalSim stamps": (galsim_stamps, 500 / len(x), False),
    }
    for name, (peer, bands, spline) in peers.items():
        try:
            found[name] = (peer(x, y, h, flux, n), bands, spline)
        except ImportError:
            print(f"{name}: not installed")
    return found


def synthesizer(x, y, h, flux, n):
    """Its inner routine with our kernel as its table, all bands at once; its wheel uses one thread.

    Without particles wider than the image: it visits their pixels outside, too.
    """
    from synthesizer.imaging.extensions.image import make_img

    near = h < n
    x, y, h, table = x[near], y[near], h[near], cubic_spline(np.linspace(0, 1, 1000))
    place = np.stack([x, y, np.zeros(len(x))], axis=1)
    light = np.ascontiguousarray(flux[:, near].T)
    return lambda: make_img(light, h, place, table, 1.0, n, n, len(x), 1.0, len(table), 3, 1).transpose(
        2, 1, 0
    )


def swiftsimio(x, y, h, flux, n):
    """Its accurate backend, one band; the kernel is its own."""
    from swiftsimio.visualisation.projection_backends import backends

    mass, length = flux[0].astype(np.float32), (h / n / 1.897367).astype(np.float32)
    place = {"x": x / n, "y": y / n}
    return lambda: backends["subsampled"](**place, m=mass, h=length, res=n, box_x=0.0, box_y=0.0)


def sphviewer(x, y, h, flux, n):
    """As ``sphviewer_4``."""
    import sphviewer2  # noqa: F401

    return lambda: sphviewer_4(x, y, h, flux[0], n)


def galsim_stamps(x, y, h, flux, n):
    """Every 200th particle or so as a Gaussian of about the kernel's width, on a stamp of its own."""
    import galsim

    def draw():
        image = galsim.ImageD(n, n, scale=1.0)
        for i in range(0, 500 * (len(x) // 500), len(x) // 500):
            sigma = min(0.3 * h[i], n / 16)  # a star far out would fill the memory
            star = galsim.Gaussian(sigma=sigma, flux=flux[0, i])
            stamp = star.drawImage(scale=1.0, center=galsim.PositionD(x[i] + 0.5, y[i] + 0.5))
            both = stamp.bounds & image.bounds
            if both.isDefined():
                image[both] += stamp[both]
        return image.array

    return draw


def sphviewer_4(x, y, h, flux, n):
    """Draw one band with py-sphviewer2 on pixels four times finer, then binned: its accurate setting."""
    import sphviewer2

    level = int(np.log2(4 * n))  # its images have a power of two pixels a side
    fine, *_ = sphviewer2.render(
        x, y, np.zeros(len(x)), h, flux, Lbox=1e6, extent=float(n), xc=n / 2, yc=n / 2, zc=0.0,
        periodic=False, r_max=level, num_threads=1,
    )  # fmt: skip
    factor = fine.shape[0] // n
    return bin_pixels(fine, factor) / factor**2  # from a surface density


def chain(position, flux, n, draw, blur, write, lengths):
    """One galaxy in four views and three bands, from particles to files."""
    h = lengths(position) * n / FRAME
    psf, rng = effective_psf("double-gaussian", 3.4, 41), stream(1, "noise")
    conditions = ObservingConditions(
        ("g", "r", "i"), (psf,) * 3, np.full(3, 1.3), np.full(3, 0.03), np.full(3, 900.0), np.full(3, 0.005)
    )
    for view in range(4):
        x, y = random_view(stream(1, view))[:2] @ position.T * (n / FRAME) + n / 2
        image = draw(x, y, h, flux, n)
        write(view, add_noise(blur(image, psf), conditions, rng).astype(np.float32))


def end_to_end(position, flux, n, folder):
    """Time the whole chain, ours and of the peers' parts; both use our projection and noise."""
    known = smoothing_lengths(position)
    with h5py.File(folder / "images.h5", "w") as file:
        images = file.create_dataset("images", (4, 3, n, n), "f4", chunks=(1, 3, n, n))

        def write(view, image):
            images[view] = image

        ours = (lambda x, y, h, flux, n: deposit(x, y, h, flux, (n, n)), convolve_psf, write)
        calls = {
            "mocks": lambda: chain(position, flux, n, *ours, smoothing_lengths),
            "mocks, lengths given": lambda: chain(position, flux, n, *ours, lambda _: known),
        }
        try:
            import sphviewer2  # noqa: F401
            from astropy.convolution import convolve_fft
            from astropy.io import fits

            theirs = (
                lambda x, y, h, flux, n: [sphviewer_4(x, y, h, band, n) for band in flux],
                lambda images, psf: np.stack([convolve_fft(image, psf) for image in images]),
                lambda view, image: fits.writeto(folder / f"{view}.fits", image, overwrite=True),
                lambda position: cKDTree(position).query(position, k=[33])[0][:, 0],
            )
            calls["cKDTree, py-sphviewer2, astropy"] = lambda: chain(position, flux, n, *theirs)
        except ImportError:
            pass
        return timed(calls, 3)


def timed(calls, repeats):
    """Median CPU seconds of each call, taken in turns."""
    for call in calls.values():
        call()
    spent = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            spent[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in spent.items()}


def in_tree_order(position):
    """Neighbours by SciPy's tree, asked for in the order in which it holds the particles."""
    tree = cKDTree(position, balanced_tree=False)
    return tree.query(position[tree.indices], k=[33])


def steps(position, x, y, h, flux, n):
    """Whole chain for one view of one galaxy in three bands, step by step."""
    psf = effective_psf("double-gaussian", 3.4, 41)
    state = ObservingConditions(
        ("g", "r", "i"), (psf,) * 3, np.full(3, 1.3), np.full(3, 0.03), np.full(3, 900.0), np.full(3, 0.005)
    )
    image = deposit(x, y, h, flux / flux.sum() * 1e4, (n, n))
    rng = stream(1, "noise")
    return {
        "smoothing lengths (once a galaxy)": lambda: smoothing_lengths(position),
        "  scipy default": lambda: cKDTree(position).query(position, k=[33]),
        "  scipy, in the order of its tree": lambda: in_tree_order(position),
        "render": lambda: deposit(x, y, h, flux, (n, n)),
        "PSF": lambda: convolve_psf(image, psf),
        "noise": lambda: add_noise(image, state, rng),
    }


def grow(n, pixels):
    """CPU seconds of smoothing lengths and of drawing; memory they need besides input [bytes a particle]."""
    deposit([1.0], [1.0], [100.0], np.ones((3, 1)), (8, 8))  # compiles, builds stamps
    smoothing_lengths(stream(1).normal(size=(99, 3)))
    position, flux = galaxy(n, stream(1, "galaxy"))
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the galaxy (Linux)
    before, start = memory(status), time.process_time()
    h = smoothing_lengths(position) * pixels / FRAME
    middle = time.process_time()
    x, y = (position[:, i] * pixels / FRAME + pixels / 2 for i in (0, 1))
    deposit(x, y, h, flux, (pixels, pixels))
    return middle - start, time.process_time() - middle, (memory(status) - before) / n


def memory(status):
    """Largest resident memory of this process since the last time it was forgotten [bytes]."""
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def growth(pixels, largest):
    """Print how cost grows with the number of particles: slopes in logarithms, 1 being proportional."""
    print(f"\n{'particles':>10s} {'lengths us each':>18s} {'drawing us each':>18s} {'peak bytes each':>18s}")
    numbers = [n for n in (10000, 100000, 1000000, 10000000) if n <= largest]
    times = []
    for n in numbers:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            times.append(pool.submit(grow, n, pixels).result())
        lengths, drawing, memory = times[-1]
        print(f"{n:10d} {1e6 * lengths / n:18.2f} {1e6 * drawing / n:18.3f} {memory:18.0f}")
    for i, what in enumerate(("lengths", "drawing")):
        slope = np.polyfit(np.log(numbers[1:]), np.log([each[i] for each in times[1:]]), 1)[0]
        print(f"{what} grow with particles to the power {slope:.2f} from {numbers[1]} on")


def main(argv):
    given = [*argv, *("1e5", "256", "5", "1e6")[len(argv) :]]
    n, pixels, repeats, largest = (int(float(value)) for value in given)
    sys.stdout.reconfigure(line_buffering=True)
    rng = stream(1, "galaxy")
    position, flux = galaxy(n, rng)
    h = smoothing_lengths(position) * pixels / FRAME
    x, y = (position[:, i] * pixels / FRAME + pixels / 2 for i in (0, 1))
    print(f"{n} particles, {pixels} x {pixels} pixels, {platform.machine()}, numpy {np.__version__}")
    reference = exact(x, y, h, flux[0], pixels) if n <= 200000 else None
    found = renderers(x, y, h, flux, pixels)
    spent = timed({name: call for name, (call, _, _) in found.items()}, repeats)
    floor = timed({"read once": lambda: x.sum() + y.sum() + h.sum() + flux.sum()}, 21)["read once"]
    print(f"{'renderer':36s} {'CPU ms a band':>14s} {'M stars/s/band':>15s} {'L1':>8s} {'peak':>8s}")
    for name, (call, bands, spline) in found.items():
        image = np.asarray(call())
        image = image[0] if image.ndim == 3 else image
        errors = ""
        if spline and reference is not None:
            misplaced = np.abs(image - reference).sum() / reference.sum()
            errors = f"{misplaced:8.4f} {image.max() / reference.max() - 1:+8.4f}"
        print(f"{name:36s} {1e3 * spent[name] / bands:14.2f} {n * bands / spent[name] / 1e6:15.1f} {errors}")
    drawn = spent["mocks.deposit"]
    print(f"reading the particles once takes {1e3 * floor:.2f} ms; drawing them in three bands", end=" ")
    print(f"{1e3 * drawn:.2f} ms, {drawn / floor:.0f} times that ({n / drawn / 1e6:.0f} M particles/s)")
    print(f"\n{'step, three bands':36s} {'CPU ms':>14s}")
    for name, seconds in timed(steps(position, x, y, h, flux, pixels), repeats).items():
        print(f"{name:36s} {1e3 * seconds:14.1f}")
    with tempfile.TemporaryDirectory() as folder:
        spent = end_to_end(position, flux, pixels, Path(folder))
    print(f"\n{'galaxy, 4 views x 3 bands':36s} {'CPU ms':>14s} {'over ours':>15s}{'lengths given':>15s}")
    for name, seconds in spent.items():
        ratios = "".join(f"{seconds / spent[ours]:15.1f}" for ours in ("mocks", "mocks, lengths given"))
        print(f"{name:36s} {1e3 * seconds:14.1f} {ratios}")
    growth(pixels, largest)


if __name__ == "__main__":
    main(sys.argv[1:])
