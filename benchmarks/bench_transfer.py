"""How many images a flow needs alone, and when it starts from a flow of other galaxies; on real images.

    python benchmarks/bench_transfer.py SOURCE... --target TARGET [--numbers 15 30 60 120 240] [--seeds 3]

SOURCE and TARGET are prepared image sets of one size and number of bands. A third of TARGET, another with
each seed, is held out; of the others the first n are trained on, a sixth of these to stop (at least 3). The
flow of SOURCE learns its images as they are, and scaled to the noise of TARGET. Every training has as many
steps. Printed: mean of -log_prob of held-out images [nats per image], with its error over the seeds.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from flows import FlowConfig, FlowModel, TrainingConfig, measure_softening, train
from simcompare.images.image_set import ImageSet

BATCH = 16


def fit(images: np.ndarray, steps: int, seed: int, init: FlowModel | None = None) -> FlowModel:
    """Flow of some images after a number of steps, or where it stopped to improve."""
    n_stop = max(3, len(images) // 6)
    epochs = max(2, steps * BATCH // (len(images) - n_stop))
    training = TrainingConfig(epochs=epochs, patience=epochs, validate_every=max(1, epochs // 20))
    config = init.config if init else FlowConfig(size=images.shape[-1], n_bands=images.shape[1])
    stop, learned = images[:n_stop], images[n_stop:]
    return train(learned, config=config, training=training, seed=seed, init=init, validation=(stop, None))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, nargs="+")
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--numbers", type=int, nargs="+", default=[15, 30, 60, 120, 240])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600, help="of 16 images, of each training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = np.concatenate([ImageSet.open(folder).read().image for folder in options.source])
    target = ImageSet.open(options.target).read().image
    ratio = np.divide(measure_softening(target), measure_softening(source)).astype(np.float32)
    source = source[np.random.default_rng(0).permutation(len(source))]
    bases = [fit(images, 2 * options.steps, 0) for images in (source, source * ratio[:, None, None])]
    print(f"{len(source)} source and {len(target)} target images of {target.shape[-1]} pixels; noise {ratio}")
    names = ("alone", "from source", "from source scaled to its noise")
    print("".join(f"{name:>36s}" for name in ("images", *names)), flush=True)
    held_out = [np.random.default_rng(seed).permutation(len(target)) for seed in range(options.seeds)]
    third = len(target) // 3
    untrained = [
        [-base.log_prob(target[order[:third]]).mean().item() for order in held_out] for base in bases
    ]
    rows = {0: [[np.nan] * options.seeds, *untrained]}
    for n in [each for each in options.numbers if each <= len(target) - third]:
        rows[n] = [[], [], []]
        for seed, order in enumerate(held_out):
            for k, init in enumerate((None, *bases)):
                model = fit(target[order[third:][:n]], options.steps, seed, init)
                rows[n][k].append(-model.log_prob(target[order[:third]]).mean().item())
    best = np.array(rows[max(rows)][0])
    for n, nats in rows.items():
        cells = [f"{np.mean(each):.1f}" for each in nats]
        for k in (1, 2):
            gain = np.subtract(nats[k], nats[0] if n else best)
            cells[k] += f" ({gain.mean():+.1f} +- {gain.std(ddof=1) / np.sqrt(len(gain)):.1f})"
        print("".join(f"{cell:>36s}" for cell in (str(n), *cells)), flush=True)


if __name__ == "__main__":
    main()
