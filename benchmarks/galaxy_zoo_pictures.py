"""Illustris pictures of Galaxy Zoo against real ones, in the domain of 8-bit colour pictures.

Run it with  python benchmarks/galaxy_zoo_pictures.py DATA OUT [epochs of the first flow]

DATA holds ``observed/sdss-gz2-rgb`` and ``simulated/illustris1_galaxyzoo_png``. The simulated pictures are
encoded, cut and averaged as the real ones were (JPEG, the central 192 pixels, blocks of 3), which leaves
outside the stars that are saturated in all colours. The background class is smooth twins of the real
pictures. Pixels are no fluxes: both samples were stretched for display, the simulated ones fainter, so a
good part of any difference is stretch. Pictures with a bright star beside the galaxy are left out, and
counted.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter
from smooth_pictures import as_jpeg, decoded, noise_by_level, smooth

from mocks import stream
from simcompare.commands.compare import compare_runs
from simcompare.commands.prepare import make_image_set
from simcompare.commands.score import score_image_sets
from simcompare.commands.train import train_model
from simcompare.settings import CompareSettings, PrepareSettings, ScoreSettings, TrainSettings

SIDE, BLOCK = 192, 3
BRIGHT, CONTRAST, AWAY = 200, 120, 5  # a star: counts, counts above its surroundings, pixels from the middle


def central(picture):
    """Cut and average a picture as the real sample was, (y, x, colour)."""
    rows, columns = (slice((side - SIDE) // 2, (side - SIDE) // 2 + SIDE) for side in picture.shape[:2])
    blocks = picture[rows, columns, :3].astype(float).reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK, 3)
    return blocks.mean(axis=(1, 3))


def has_star(picture):
    """Whether a bright point stands out of what surrounds it, away from the galaxy's centre."""
    brightest = np.asarray(picture, dtype=float).max(axis=-1)
    y, x = np.indices(brightest.shape)
    middle = (len(brightest) - 1) / 2
    is_peak = (brightest == maximum_filter(brightest, 5)) & (brightest > BRIGHT)
    for row, column in np.argwhere(is_peak & (np.hypot(y - middle, x - middle) > AWAY)):
        distance = np.hypot(y - row, x - column)
        around = np.median(brightest[(distance > 3.5) & (distance < 5.5)])
        if brightest[row, column] - around > CONTRAST:
            return True
    return False


def write_pictures(folder, pictures):
    """Write pictures as PNG files, one a galaxy."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def read(data):
    """Real pictures, simulated ones and the background class, by galaxy; stars left out."""
    with h5py.File(data / "observed" / "sdss-gz2-rgb" / "sdss-gz2-rgb.h5") as file:
        real = {str(name): image for name, image in zip(file["dr7objid"][:], file["image"][:], strict=True)}
    paths = sorted((data / "simulated" / "illustris1_galaxyzoo_png").glob("*.png"))
    simulated = {path.stem: central(decoded(as_jpeg(decoded(path.read_bytes())))) for path in paths}
    for name, pictures in (("real", real), ("simulated", simulated)):
        stars = [key for key, picture in pictures.items() if has_star(picture)]
        print(f"{name}: {len(pictures)} pictures, {len(stars)} left out for a bright star")
        for key in stars:
            del pictures[key]
    noise = noise_by_level(np.stack(list(real.values())).astype(float))
    background = {key: smooth(picture, noise, stream(0, key, "smooth")) for key, picture in real.items()}
    return {"real": real, "simulated": simulated, "twins": background}


def main():
    """Prepare, train, score and compare."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    names = {"real": "GZ2", "simulated": "Illustris-GZ", "twins": "GZ2 smoothed"}
    kinds = {"real": "observed", "simulated": "simulated", "twins": "twins"}
    pictures = read(data)
    for key, name in names.items():
        folder = write_pictures(out / "pictures" / key, pictures[key])
        make_image_set(
            PrepareSettings(inputs=[folder], out=out / key, domain="8-bit", name=name, kind=kinds[key],
                            train=0.6, validation=0.1, workers=1)
        )  # fmt: skip
    train_model(TrainSettings(images=out / "real", out=out / "flow", epochs=epochs))
    half = max(1, epochs // 2)
    train_model(TrainSettings(images=out / "twins", out=out / "plain", init=out / "flow", epochs=half))
    sets = [out / key for key in names]
    models = {"model": out / "flow", "background": out / "plain"}
    score_image_sets(ScoreSettings(images=sets, out=out / "scores", workers=1, **models))
    table = compare_runs(CompareSettings(scores=[out / "scores"], out=out / "comparison", reference="GZ2"))
    shown = ["dataset", "n_galaxies", "delta_mean", "delta_mean_low", "delta_mean_high", "auc", "auc_low",
             "auc_high", "ks", "overlap", "delta_log_prob", "caution"]  # fmt: skip
    shown += [name for name in table.colnames if name.startswith("c2st_auc_latents")]
    print("\n".join(table[shown].pformat(max_width=-1)))


if __name__ == "__main__":
    main()
