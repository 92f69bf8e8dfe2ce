"""Equal runs of twins, reobserve, score and attribute give equal bytes, and go on when inputs are back."""

from functools import cache

import h5py
import numpy as np
import pytest
from astropy.table import Table

from flows import FlowConfig, FlowModel
from mocks.observing.psf import gaussian_psf
from simcompare import settings
from simcompare.cli import main
from simcompare.commands import attribute, reobserve, score, twins
from simcompare.observed import sample
from simcompare.runs.files import sha256

SIZE = 32
MODELS = ["--model", "flow", "--background", "plain"]
COMMANDS = {
    "twins": ["twins", "real"],
    "reobserve": ["reobserve", "deep-0.h5", "deep-1.h5", "deep-2.h5", "--size", str(SIZE)],
    "score": ["score", "real", "twins", *MODELS, "--maps"],
    "attribute": [
        "attribute", "in", "--redshift", "0.05", "--size", str(SIZE), "--real", "real", "--percents", "10",
        "--dusts", "none", "--no-symmetries", "--no-real-conditions", *MODELS,
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory, stamps, star_columns, write_stars):
    """Twelve prepared galaxies, their twins, two flows, three simulated galaxies, three deep images."""
    folder = tmp_path_factory.mktemp("equal")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sample, "PART_BYTES", 4 * 9 * SIZE**2)
        where = ["--size", str(SIZE), "--train", "0.1", "--validation", "0.1", "--workers", "1"]
        assert main(["prepare", str(stamps), "--out", "real", *where]) == 0
        assert main(["twins", "real", "--out", "twins", "--workers", "1"]) == 0
    for seed, name in enumerate(("flow", "plain")):
        FlowModel(FlowConfig(size=SIZE, softening=(0.1 + 0.1 * seed,))).save(folder / name)
    for seed in range(3):
        write_stars(folder / "in" / f"cutout_{seed}.hdf5", star_columns(400, seed=seed))
        light = 63.1 * gaussian_psf(np.hypot(4.0, 0.7) / 0.2, 121)
        noise = 0.004 * np.random.default_rng(seed).standard_normal((2, 1, 121, 121))
        with h5py.File(folder / f"deep-{seed}.h5", "w") as file:
            file["image"], file["psf"] = (light + noise).astype("f4"), gaussian_psf(3.5, 25)[None]
            file.attrs.update(bands="r", pixel_scale_arcsec=0.2, units="nanomaggy")
    return folder


@pytest.fixture(autouse=True)
def several_parts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(twins, "_TWINS_PER_PART", 5)
    monkeypatch.setattr(score, "_IMAGES_PER_TASK", 5)


def products(folder):
    """Hash of every product; logs and records hold times."""
    endings = ("h5", "parquet", "ecsv", "npy")
    paths = [path for ending in endings for path in folder.rglob(f"*.{ending}")]
    paths += folder.glob("attribution.json")
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


@pytest.fixture(scope="module")
def whole(folder):
    """Products of a verb made by one worker, once for all tests."""

    @cache
    def make(verb):
        assert main([*COMMANDS[verb], "--workers", "1", "--out", f"{verb}-whole"]) == 0
        return products(folder / f"{verb}-whole")

    return make


@pytest.mark.parametrize("verb", COMMANDS)
def test_products_are_equal_to_the_byte_with_one_worker_and_two(verb, folder, whole):
    first = whole(verb)
    assert main([*COMMANDS[verb], "--workers", "2", "--out", f"{verb}-two"]) == 0
    assert len(first) >= 3
    assert products(folder / f"{verb}-two") == first


def kinds(out):
    path = out / settings.FAILURES
    return Table.read(path)["kind"].tolist() if path.is_file() else []


@pytest.mark.parametrize(
    ("verb", "module", "name", "lost"),
    [
        ("reobserve", reobserve, "files_of", "deep-1.h5"),
        ("attribute", attribute, "select_targets", "in/cutout_1.hdf5"),
    ],
)
def test_what_is_lost_in_mid_run_is_made_once_it_is_back(
    verb, module, name, lost, folder, whole, monkeypatch
):
    path, away = folder / lost, folder / "away"
    with monkeypatch.context() as patch:
        function = getattr(module, name)

        def then_lose(*arguments):
            result = function(*arguments)
            path.rename(away)
            return result

        patch.setattr(module, name, then_lose)
        assert main([*COMMANDS[verb], "--workers", "1", "--out", f"{verb}-lost"]) == 3
    out = folder / f"{verb}-lost"
    assert kinds(out) == ["may pass"]
    assert lost.rpartition("/")[2] in Table.read(out / settings.FAILURES)["source"][0]
    kept = (out / "images" / "part-0000.h5").stat().st_mtime_ns
    away.rename(path)
    assert main([*COMMANDS[verb], "--workers", "1", "--out", f"{verb}-lost"]) == 0
    assert kinds(out) == []
    assert (out / "images" / "part-0000.h5").stat().st_mtime_ns == kept
    assert products(out) == whole(verb)


def test_twins_and_scores_of_a_lost_part_are_made_once_it_is_back(folder, whole, capsys):
    """Without it the set would be smaller and nobody would know; equal runs are equal to the byte."""
    part = folder / "real" / "images" / "part-0001.h5"
    for verb in ("twins", "score"):
        part.rename(folder / "away")
        capsys.readouterr()
        assert main([*COMMANDS[verb], "--workers", "1", "--out", f"{verb}-lost"]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert "part-0001.h5 is missing, and its images are recorded in part-0001.json" in said
        (folder / "away").rename(part)
        assert main([*COMMANDS[verb], "--workers", "1", "--out", f"{verb}-lost"]) == 0
        assert products(folder / f"{verb}-lost") == whole(verb)
