"""A survey of a user's own, as a file, wherever a survey is named; nothing of it is in the package."""

import importlib
import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mocks import SURVEYS, load_survey
from mocks.surveys import FRAMES, _plugins
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.flags import rejected_flags_of
from simcompare.settings import SkySettings
from simcompare.synthetic.sky import FIELDS, make_sky_bank


@pytest.fixture
def own(tmp_path):
    """SDSS under another name, twice as noisy in r and with other gains, that says nothing of its frames."""
    text = SURVEYS["sdss"].read_text().replace('name = "sdss"', 'name = "mine"', 1)
    text = text.replace('frames = "sdss-frame"\n', "")
    for old, new in (
        ("value = 24.384", "value = 23.63"),
        ("[4.71, 4.6, 4.72, 4.76, 4.725, 4.895]", "[9, 9, 9, 9, 9, 9]"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def run(*words):
    assert main([str(word) for word in words]) == 0


def test_real_images_and_their_twins(stamps, own, tmp_path):
    """Twins ask the images for their survey: they need its file no more."""
    run(
        "prepare",
        stamps,
        "--survey",
        own,
        "--bands",
        "r",
        "--size",
        48,
        "--out",
        tmp_path / "real",
        "--workers",
        1,
    )
    images = ImageSet.open(tmp_path / "real")
    assert images.survey == "mine"
    assert images.survey_record == load_survey(own)
    read = json.loads((tmp_path / "real" / "provenance.json").read_text())["inputs"]
    assert str(own) in json.dumps(read)  # with its hash, as all that is read
    own.unlink()
    run("twins", tmp_path / "real", "--out", tmp_path / "twins", "--workers", 1)
    twins = ImageSet.open(tmp_path / "twins")
    assert twins.survey_record.bands["r"].gain == (9.0,) * 6
    assert len(twins) == len(images)


def test_mocks_are_of_the_survey_of_the_file(own, tmp_path):
    write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 2, 3))
    noise = {}
    for survey in ("sdss", own):
        out = tmp_path / f"mocks-{load_survey(survey).name}"
        run(
            "mock",
            tmp_path / "toy-1",
            "--survey",
            survey,
            "--redshift",
            0.05,
            "--bands",
            "r",
            "--size",
            32,
            "--out",
            out,
            "--workers",
            1,
        )
        images = ImageSet.open(out)
        with h5py.File(images.files[0]) as file:
            assert ("survey_file" in file.attrs) == (images.survey == "mine")
        noise[images.survey] = float(np.mean(images.catalogue["sky_sigma_r"]))
    assert noise["mine"] / noise["sdss"] == pytest.approx(2, rel=0.05)


def test_coadds_of_a_file_may_be_resampled(tmp_path):
    """What is refused of a camera's own pixels goes by the survey file, whatever its name."""
    copy = shutil.copy(SURVEYS["kids"], tmp_path / "kids.toml")
    assert rejected_flags_of(str(copy)) == rejected_flags_of("kids") != rejected_flags_of("sdss")


def test_sets_of_unlike_survey_files_are_not_joined(stamps, own, tmp_path):
    for i in range(2):
        run(
            "prepare",
            stamps,
            "--survey",
            own,
            "--bands",
            "r",
            "--size",
            48,
            "--out",
            tmp_path / f"real-{i}",
            "--workers",
            1,
        )
        own.write_text(own.read_text() + "# changed\n")
    with pytest.raises(ValueError, match=r"survey file is \d+ lines"):
        ImageSet.join([tmp_path / "real-0", tmp_path / "real-1"])


def test_images_of_a_survey_that_nobody_knows(stamps, own, tmp_path):
    run(
        "prepare",
        stamps,
        "--survey",
        own,
        "--bands",
        "r",
        "--size",
        48,
        "--out",
        tmp_path / "real",
        "--workers",
        1,
    )
    with h5py.File(tmp_path / "real" / "images" / "part-0000.h5", "r+") as file:
        del file.attrs["survey_file"]
    with pytest.raises(
        ValueError, match=r"part-0000.h5: survey 'mine' is unknown.*make them again, with --survey"
    ):
        _ = ImageSet.open(tmp_path / "real").survey_record


def test_sky_is_cut_as_the_survey_file_says(own, tmp_path):
    assert set(FIELDS) == set(FRAMES)
    (tmp_path / "files").mkdir()
    settings = {"inputs": [tmp_path / "files"], "out": tmp_path / "sky.h5", "bands": "r"}
    with pytest.raises(
        ValueError, match=r"mine\.toml does not say what .* write frames = 'sdss-frame' or 'hsc-coadd'"
    ):
        make_sky_bank(SkySettings(survey=str(own), **settings))
    with pytest.raises(ValueError, match=r"kids\.toml does not say"):
        make_sky_bank(SkySettings(survey="kids", **settings))
    for kind in FRAMES:
        text = own.read_text().replace("integer_counts", f'frames = "{kind}"\ninteger_counts', 1)
        (tmp_path / "other.toml").write_text(text)
        with pytest.raises(ValueError, match=FRAMES[kind][:20]):
            make_sky_bank(SkySettings(survey=str(tmp_path / "other.toml"), **settings))


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """Write the survey file of docs/surveys.md, and a package that offers it as that page says."""
    page = (Path(__file__).parents[3] / "docs" / "surveys.md").read_text(encoding="utf-8")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "mine.toml").write_text(re.search(r'^MINE = """\n(.*?)^"""', page, re.S | re.M)[1])
    told = re.search(r"^# setup.cfg; my_package has (.*)$", page, re.M)[1]
    (folder / "my_package.py").write_text(f"from pathlib import Path\n\n{told}\n")
    entry = re.search(r"^simcompare.surveys =\n +(.*)$", page, re.M)[1]
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[simcompare.surveys]\n{entry}\n")
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    _plugins.cache_clear()
    yield folder / "mine.toml"
    _plugins.cache_clear()


def test_documented_survey_serves_by_path_and_as_a_plug_in(documented, tmp_path):
    """Both give the same images, whose noise is that of the depth that the file tells."""
    write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 2, 3))
    made = []
    for survey, out in ((documented, "by-path"), ("mine", "by-name")):
        run("mock", tmp_path / "toy-1", "--survey", survey, "--redshift", 0.05, "--bands", "r", "--views", 3,
            "--dust", "none", "--out", tmp_path / out, "--workers", 1)  # fmt: skip
        made.append(ImageSet.open(tmp_path / out))
    assert (made[0].read().image == made[1].read().image).all()
    band = load_survey("mine").bands["r"]
    noise = np.median(made[0].catalogue["sky_sigma_r"])
    assert noise == pytest.approx(band.sky_sigma, rel=0.1)
    assert 22.5 - 2.5 * np.log10(5 * band.sky_sigma) > 25  # a point source has its light in several pixels
