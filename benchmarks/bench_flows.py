"""Wavelet flow against Glow built from nflows and Glow of normflows: equal data, equal CPU time.

Noisy galaxies of known entropy are drawn by code. Each model trains alone in a fresh process for the
same CPU seconds, by the same loop, on the same images. Printed side by side: its excess over the known
entropy on held-out images, and the images trained and scored per CPU second, and the memory it took.

    python benchmarks/bench_flows.py --minutes 20 --bands 3
    python benchmarks/bench_flows.py --sizes 64 128 256 --compile
    python benchmarks/bench_flows.py --transfer --steps 800 --size 32

Each model first tries three peak learning rates on a sixth of its time each and takes the best on images of
their own. A peer that is not installed is skipped and named. The second form prints cost against the number
of pixels, and the share of the machine's convolution rate. The third shows how many images a flow needs when
it starts from that of another survey, with other noise, seeing and brightness.
"""

import argparse
import copy
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.utils.flop_counter import FlopCounterMode

from flows import FlowConfig, FlowModel, TrainingConfig, symmetries, train
from flows.densities.layers import ActNorm

SOFTENING = 5.0  # in units of the noise
PEAK_RATE = {"wavelet": 1e-2, "symmetric": 1e-2, "wavelet-wide": 1e-2, "glow": 5e-3, "normflows": 2e-3}
TRIED = (0.4, 1.0, 2.5)  # times the peak rate above
WIDTHS = {
    "wavelet": (16, 24, 32),
    "symmetric": (16, 24, 32),
    "wavelet-wide": (32, 48, 64),
    "glow": (32, 48, 64),
}
STEPS = {"wavelet": (2, 2, 3), "symmetric": (2, 2, 3), "wavelet-wide": (2, 3, 4), "glow": (4,)}


def profiles(latent: np.ndarray, n_bands: int, size: int) -> np.ndarray:
    """Noiseless Sersic-like galaxies (n, band, y, x) of eight standard-normal numbers each."""
    bright, extent, shape, first, second, right, up, colour = latent.T[:, :, None, None]
    y, x = np.indices((size, size)) - (size - 1) / 2
    x, y = x - 0.7 * right, y - 0.7 * up
    angle, axis_ratio = np.arctan2(second, first) / 2, np.exp(-0.4 * np.hypot(first, second))
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = np.hypot(along, across / axis_ratio) / (0.08 * size * np.exp(0.25 * extent))
    light = 40 * np.exp(0.7 * bright) * np.exp(-1.7 * (distance + 0.05) ** (0.75 * np.exp(0.2 * shape)))
    steps = np.linspace(-0.3, 0.3, n_bands) if n_bands > 1 else np.zeros(1)
    return light[:, None] * np.exp(steps[:, None, None] * (1 + colour)[:, None])


def galaxies(n: int, n_bands: int, size: int, seed: int) -> tuple[torch.Tensor, float]:
    """Galaxies in unit noise, and their entropy in nats per image.

    That is the entropy of the noise, and what the image tells of the numbers that made the galaxy:
    half the log-determinant of one plus their Fisher information, to first order in the profile.
    """
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 8))
    images = np.concatenate(
        [profiles(part, n_bands, size) for part in np.array_split(latent, max(1, n // 100))]
    )
    noisy = (images + rng.normal(size=images.shape)).astype("f4")
    step, some = 1e-4, latent[:100]
    slopes = [
        (profiles(some + shift, n_bands, size) - profiles(some - shift, n_bands, size)).reshape(len(some), -1)
        / 2
        for shift in step * np.eye(8)
    ]
    slopes = np.stack(slopes, 1) / step
    told = 0.5 * np.linalg.slogdet(np.eye(8) + slopes @ slopes.transpose(0, 2, 1))[1].mean()
    return torch.from_numpy(noisy), 0.5 * math.log(2 * math.pi * math.e) * images[0].size + told


class NormflowsGlow(torch.nn.Module):
    """Glow as normflows builds it, on asinh pixels as ours."""

    def __init__(self, n_bands: int, size: int) -> None:
        import normflows as nf

        super().__init__()
        n_levels, flows, merges, bases = 4, [], [], []
        for level in range(n_levels):  # coarsest first
            finer = n_levels - 1 - level
            channels, side = n_bands * 2 ** (finer + 2), size // 2 ** (finer + 1)
            width = WIDTHS["glow"][min(finer, 2)]
            blocks = [nf.flows.GlowBlock(channels, width) for _ in range(STEPS["glow"][0])]
            flows.append([*blocks, nf.flows.Squeeze()])
            if level:
                merges.append(nf.flows.Merge())
            kept = channels // 2 if level else channels
            bases.append(nf.distributions.DiagGaussian((kept, side, side), trainable=False))
        self.flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)

    def nats(self, images: torch.Tensor) -> torch.Tensor:
        """Log density per pixel value."""
        log_det = -torch.log(torch.hypot(images, torch.tensor(SOFTENING))).sum((1, 2, 3))
        return self.flow.log_prob(torch.asinh(images / SOFTENING), None) + log_det


class Ours(torch.nn.Module):
    """One of the package's architectures."""

    def __init__(self, name: str, n_bands: int, size: int) -> None:
        super().__init__()
        config = FlowConfig(
            size=size, n_bands=n_bands, softening=(SOFTENING,) * n_bands, architecture=name.split("-")[0],
            widths=WIDTHS[name], steps=STEPS[name], dropout=0.0,
        )  # fmt: skip
        self.model = FlowModel(config)

    def nats(self, images: torch.Tensor) -> torch.Tensor:
        """Log density per pixel value."""
        return self.model.scale_terms(images, None).sum(1)


def make(name: str, n_bands: int, size: int) -> torch.nn.Module:
    torch.manual_seed(1)
    return NormflowsGlow(n_bands, size) if name == "normflows" else Ours(name, n_bands, size)


def memory(reset: bool = False) -> float:
    """Largest resident memory of this process in MB; Linux can start the count anew."""
    if reset and os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit(
    model: torch.nn.Module, images: torch.Tensor, seconds: float, batch: int, rate: float
) -> tuple[float, int]:
    """Adam with warm-up, cosine over CPU time, clipping and a running mean; CPU seconds and images seen."""
    for module in model.modules():
        if isinstance(module, ActNorm):
            module.awaits_data = True
    model.train()
    with torch.no_grad():
        model.nats(images[:256])
    mean, generator = copy.deepcopy(model), torch.Generator().manual_seed(1)
    optimiser, n_dim = torch.optim.Adam(model.parameters(), rate), images[0].numel()
    start, seen, step = time.process_time(), 0, 0
    while (spent := time.process_time() - start) < seconds:
        done = spent / seconds
        optimiser.param_groups[0]["lr"] = (
            rate * min(1, (done + 0.002) / 0.03) * 0.5 * (1 + math.cos(math.pi * done))
        )
        rows = torch.randint(0, len(images), (batch,), generator=generator)
        part = symmetries(images[rows])[step % 8]
        optimiser.zero_grad(set_to_none=True)
        (-model.nats(part).mean() / n_dim).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, seen = step + 1, seen + batch
        with torch.no_grad():
            for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
                kept.lerp_(new, 1 - min(0.99, step / (10 + step)))
    model.load_state_dict(mean.state_dict())
    return time.process_time() - start, seen


@torch.no_grad()
def score(model: torch.nn.Module, images: torch.Tensor, batch: int = 64) -> tuple[torch.Tensor, float]:
    """Log density of every image, and images per CPU second (best of three)."""
    model.eval()
    nats = torch.cat([model.nats(part) for part in images.split(batch)])
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        for part in images[:256].split(batch):
            model.nats(part)
        best = min(best, time.process_time() - start)
    return nats, min(256, len(images)) / best


def tuned_rate(name: str, images: torch.Tensor, other: torch.Tensor, seconds: float, batch: int) -> float:
    """Peak learning rate that does best in a short training."""
    rates = {}
    for factor in TRIED:
        rate = PEAK_RATE[name] * factor
        model = make(name, images.shape[1], images.shape[-1])
        fit(model, images, seconds, batch, rate)
        nats = score(model, other)[0].mean().item()
        rates[nats if math.isfinite(nats) else -math.inf] = rate
    return rates[max(rates)]


def child(name: str, seconds: float, n_bands: int, size: int, batch: int) -> dict:
    """Tune, train and score one model in this process."""
    images, floor = galaxies(6000, n_bands, size, seed=1)
    held_out, _ = galaxies(1000, n_bands, size, seed=2)
    rate = tuned_rate(name, images, galaxies(256, n_bands, size, seed=3)[0], seconds / 6, batch)
    model, before = make(name, n_bands, size), memory(reset=True)
    spent, seen = fit(model, images, seconds, batch, rate)
    nats, speed = score(model, held_out)
    excess = -nats.double() - floor
    return {
        "model": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "rate": rate,
        "excess": excess.mean().item(),
        "error": excess.std().item() / math.sqrt(len(excess)),
        "train_per_s": seen / spent,
        "score_per_s": speed,
        "memory_mb": memory() - before,
    }


def compare(names: list[str], options: argparse.Namespace) -> None:
    """Run each model in its own process, print its row, then the ratios to the nflows-built Glow."""
    print(f"{options.bands} x {options.size} x {options.size}, {options.seconds:g} CPU s each, one thread")
    titles = ("parameters", "rate", "excess (nats)", "train/CPU-s", "score/CPU-s", "MB")
    print(f"{'model':14s}" + "".join(f"{title:>15s}" for title in titles), flush=True)
    rows = {}
    for name in names:
        command = [sys.executable, __file__, "--child", name, "--seconds", str(options.seconds)]
        command += ["--bands", str(options.bands), "--size", str(options.size), "--batch", str(options.batch)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            print(f"{name:14s} skipped: {reason}", flush=True)
            continue
        row = rows[name] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:14s}{row['parameters']:15d}{row['rate']:15g}{row['excess']:9.1f} +-{row['error']:4.1f}"
            f"{row['train_per_s']:15.0f}{row['score_per_s']:15.0f}{row['memory_mb']:15.0f}",
            flush=True,
        )
    base = rows.get("glow")
    for name, row in rows.items() if base else []:
        print(
            f"{name} against glow: excess {base['excess'] / row['excess']:.2f}x smaller, training "
            f"{row['train_per_s'] / base['train_per_s']:.2f}x, scoring "
            f"{row['score_per_s'] / base['score_per_s']:.2f}x, memory "
            f"{row['memory_mb'] / base['memory_mb']:.2f}x"
        )
    if {"symmetric", "wavelet"} <= set(rows):
        one, eight = rows["symmetric"], rows["wavelet"]
        print(
            f"symmetric against wavelet: excess {one['excess'] - eight['excess']:+.1f} nats, training "
            f"{one['train_per_s'] / eight['train_per_s']:.2f}x, final scores (one evaluation against eight) "
            f"{8 * one['score_per_s'] / eight['score_per_s']:.1f}x"
        )


def transfer(steps: int, size: int) -> None:
    """Held-out density against the number of images, alone and from a flow of another survey."""
    rng = np.random.default_rng(4)
    first, _ = galaxies(3000, 1, size, seed=1)
    latent = rng.normal(size=(3000, 8))
    latent[:, 0] -= 0.7  # a deeper survey of fainter, blurred galaxies in less noise
    blurred = gaussian_filter(profiles(latent, 1, size), (0, 0, 1, 1))
    second = torch.from_numpy((0.5 * (blurred + rng.normal(size=blurred.shape))).astype("f4"))
    held_out, second = second[2000:], second[:2000]
    config = FlowConfig(size=size, softening=(SOFTENING,))

    def nats(images: torch.Tensor, init: FlowModel | None) -> tuple[FlowModel, float]:
        """Flow after the same number of steps for any number of images, and its mean held-out nats."""
        epochs = max(2, steps * 16 // len(images))
        training = TrainingConfig(epochs=epochs, patience=epochs, validate_every=max(1, epochs // 20))
        model = train(images, config=config, training=training, seed=1, init=init)
        return model, -model.log_prob(held_out).mean().item()

    base = nats(first, None)[0]
    print(f"-log_prob of {len(held_out)} images of {size} x {size} pixels, {steps} steps of 16 images each")
    print(f"{'images':>8s}{'alone':>10s}{'from another':>14s}   nats per image")
    print(f"{0:8d}{'':10s}{-base.log_prob(held_out).mean().item():14.1f}", flush=True)
    numbers = (50, 150, 450, 1350)
    alone, moved = [], []
    for n in numbers:
        alone.append(nats(second[:n], None)[1])
        moved.append(nats(second[:n], base)[1])
        print(f"{n:8d}{alone[-1]:10.1f}{moved[-1]:14.1f}", flush=True)
    for n, reached in zip(numbers, moved, strict=True):
        # alone gets better with more images: between which two numbers does it reach the same?
        needed = np.exp(np.interp(-reached, -np.array(alone), np.log(numbers), right=np.nan))
        more = f"{needed / n:.1f} times as many" if np.isfinite(needed) else f"more than {numbers[-1]}"
        print(f"{n} images from another survey's flow: alone {more} reach the same density")


def scaling(sizes: list[int], n_bands: int, is_compiled: bool) -> None:
    """Cost against the number of pixels, and the share of the rate of one large convolution."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    inputs = torch.randn(32, 64, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        layer(inputs)
        start = time.process_time()
        for _ in range(5):
            layer(inputs)
        limit = 5 * 2 * inputs.numel() * 64 * 9 / (time.process_time() - start) / 1e9
    print(f"one 64 to 64 channel convolution: {limit:.0f} GFLOP per CPU s")
    for size in sizes:
        images, _ = galaxies(64, n_bands, size, seed=1)
        model = make("wavelet", n_bands, size)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.nats(images[:1])
        flop = counter.get_total_flops() / 1e9
        batch = max(4, 64 * 64**2 // size**2)
        if is_compiled:
            model.nats = torch.compile(model.nats)
            fit(model, images, 1e-3, batch // 2, 1e-3)  # a step, so that compiling is not timed
        _, scored = score(model, images.repeat(4, 1, 1, 1), batch)
        spent, seen = fit(model, images, 5, batch // 2, 1e-3)
        print(
            f"{size:4d} pixels: {scored:7.1f} scored, {seen / spent:7.1f} trained per CPU s = "
            f"{scored * size**2 / 1e6:.2f}, {seen / spent * size**2 / 1e6:.2f} Mpixel/s; "
            f"{1e3 * flop:.1f} MFLOP per image, {scored * flop / limit:.0%} of the convolution rate"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20, help="CPU time of the whole comparison")
    parser.add_argument("--seconds", type=float, help="CPU seconds of training per model instead")
    parser.add_argument("--bands", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(
        "--models", nargs="+", default=["wavelet", "symmetric", "wavelet-wide", "glow", "normflows"]
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="print cost against size instead")
    parser.add_argument("--compile", action="store_true", help="with --sizes: let torch.compile fuse")
    parser.add_argument("--transfer", action="store_true", help="print density against number of images")
    parser.add_argument("--steps", type=int, default=800, help="of each training of --transfer")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.seconds:
        options.seconds = 60 * options.minutes / (1.5 * len(options.models))
    if options.child:
        print(json.dumps(child(options.child, options.seconds, options.bands, options.size, options.batch)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    if options.transfer:
        transfer(options.steps, options.size)
    elif options.sizes:
        scaling(options.sizes, options.bands, options.compile)
    else:
        compare(options.models, options)


if __name__ == "__main__":
    main()
