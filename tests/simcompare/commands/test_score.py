"""Score, null and comparison runs from the command line, on small noise fields with small flows."""

import json
import shutil
import sys
from functools import partial

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from simcompare.cli import main
from simcompare.commands.score import score_image_sets
from simcompare.comparison.report_table import read_comparison, read_further
from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.splits import assign_split
from simcompare.models.storage import load_model
from simcompare.scores import files
from simcompare.scores import ranking as placing
from simcompare.scores.files import joined_blocks, joined_form, joined_scores, write_blocks
from simcompare.scores.pixel_maps import read_map, write_maps
from simcompare.scores.run_inputs import run_scores
from simcompare.scores.spaces import open_spaces
from simcompare.settings import ScoreSettings
from simcompare.synthetic.blank_sky import blank_sky_of

SIZE = 8
COUNTS = {"real": 120, "twins": 120, "old": 24, "new": 24}
KINDS = {"real": "observed", "twins": "twins"}


def pixels(name, rng):
    """Fields on white noise: structure for real galaxies, less of it the older, none for twins."""
    n = COUNTS[name]
    clumps = gaussian_filter(rng.normal(size=(n, 1, SIZE, SIZE)), (0, 0, 1, 1)) * 4
    strength = {"real": 1.0, "new": 0.9, "old": 0.3, "twins": 0.0}[name]
    return strength * clumps + rng.normal(size=clumps.shape)


def write_set(folder, name, preparation):
    rng = np.random.default_rng(len(name))
    n = COUNTS[name]
    image = pixels(name, rng)
    stack = Stack(
        image=image,
        variance=np.ones_like(image),
        mask=np.zeros(image.shape, np.uint8),
        psf=np.full((n, 1, 5, 5), 1 / 25),
        quantum=np.full((n, 1), 0.01),
    )
    # The twins share their parents' names and splits.
    ids = [f"{'real' if name == 'twins' else name}-{k}" for k in range(n)]
    split = [assign_split(each, 0, (0.5, 0.15, 0.35)) if name in KINDS else "test" for each in ids]
    catalogue = Table({"galaxy_id": ids, "dataset": [name] * n, "view": [0] * n, "flags": [0] * n})
    catalogue["split"] = split
    for column, value in (("mag_r", 17.0), ("sky_sigma_r", 1.0), ("psf_fwhm_r", 1.2)):
        catalogue[column] = value * rng.uniform(0.98, 1.02, n)
    catalogue["sky_level_r"] = 0.0
    catalogue["half_light_radius"] = rng.uniform(1, 2, n)
    path = part_path(folder / name, 0)
    path.parent.mkdir(parents=True)
    settings = {"survey": "sdss", "bands": ("r",), "pixel_scale": 0.396, "preparation": preparation}
    write_part(path, stack, catalogue, name=name, kind=KINDS.get(name, "simulated"), **settings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name in COUNTS:
        write_set(folder, name, Preparation(size=SIZE))
    for name, source, members in (("flow", "real", "2"), ("plain", "twins", "1")):
        options = ["--epochs", "12", "--members", members]
        assert main(["train", str(folder / source), "--out", str(folder / name), *options]) == 0
    sets = [str(folder / name) for name in COUNTS]
    models = ["--model", str(folder / "flow"), "--ensemble", str(folder / "flow")]
    models += ["--background", str(folder / "plain"), "--versus", f"other={folder / 'flow' / 'member-1'}"]
    further = ["--maps", "--neighbours", "2", "--workers", "1", "--embedding", "numpy:arctan"]
    assert main(["score", *sets, *models, *further, "--out", str(folder / "scores")]) == 0
    return folder, sets, models


def test_scores_hold_every_background_scatter_typicality_and_neighbours(runs):
    table = run_scores(runs[0] / "scores").table
    assert set(table["dataset"]) == {*COUNTS, "blank sky"}
    assert set(table["kind"][table["dataset"] == "blank sky"]) == {"control"}
    for name in ("_other", "_sky"):
        np.testing.assert_allclose(
            table[f"log_likelihood_ratio{name}"], table["log_prob"] - table[f"log_prob{name}"], atol=1e-6
        )
    scales = [name for name in table.colnames if name.startswith("log_prob_background_scale_")]
    np.testing.assert_allclose(sum(table[name] for name in scales), table["log_prob_background"], atol=1e-6)
    assert (table["ensemble_scatter"] > 0).all()
    real = table["dataset"] == "real"
    held_out = real & (table["split"] == "test")
    assert (table["typicality_p"] > 0).all()
    assert np.mean(table["typicality_p"][held_out] < 0.2) == pytest.approx(0.2, abs=0.15)
    assert sorted(table["anomaly_rank"][real]) == list(range(1, COUNTS["real"] + 1))
    assert (table["real_distance_1"] <= table["real_distance_2"]).all()
    assert not np.any(table["real_twin_1"][real] == table["galaxy_id"][real])
    blank = table["dataset"] == "blank sky"
    ratio = table["log_likelihood_ratio_sky"]
    assert ratio[held_out].mean() > 10 > 0 > ratio[blank].mean()
    best = np.maximum(table["log_prob_background"], table["log_prob_sky"])
    np.testing.assert_allclose(table["log_likelihood_ratio"], table["log_prob"] - best, atol=1e-6)
    assert table["log_likelihood_ratio"][blank].max() < 0
    with open_spaces(runs[0] / "scores" / "spaces.h5") as spaces:
        assert {name: len(values) for name, values in spaces.items()} == {
            "pixels": len(table), "latents": len(table), "embedding": len(table),
        }  # fmt: skip
    assert (table["embedding_distance_1"] <= table["embedding_distance_2"]).all()
    assert not np.any(table["embedding_twin_1"][real] == table["galaxy_id"][real])


@pytest.mark.parametrize("most_real", [placing.MOST_REAL, 50])
def test_division_of_the_scores_changes_no_bit_of_them(runs, tmp_path, monkeypatch, most_real):
    monkeypatch.setattr(placing, "MOST_REAL", most_real)
    folder, sets, _ = runs
    path, made = folder / "scores" / "scores.parquet", []
    form, images = joined_form([path], "real"), [ImageSet.open(each) for each in sets]
    images.append(blank_sky_of(images[0], 0))
    divided = tmp_path / "divided.parquet"
    for n in (4000, 7):
        with monkeypatch.context() as small:
            small.setattr(files, "ROWS", n)
            write_blocks(joined_blocks([path], form), divided)
        blocks = placing.place_scores(
            partial(joined_blocks, [divided], form), form, images[::-1], load_model(folder / "flow"),
            tmp_path, seed=0, neighbours=2, embedding=np.arctan,
        )  # fmt: skip
        write_blocks(blocks, tmp_path / f"{n}.parquet")
        made.append(((tmp_path / f"{n}.parquet").read_bytes(), (tmp_path / "spaces.h5").read_bytes()))
    assert made[0] == made[1]
    assert (made[0][0] == path.read_bytes()) == (most_real > 50)
    assert made[0][1] == (folder / "scores" / "spaces.h5").read_bytes()
    table = joined_scores([tmp_path / "7.parquet"], form).table
    real = [row for row in table if row["dataset"] == "real"]
    assert sorted(row["anomaly_rank"] for row in real) == list(range(1, COUNTS["real"] + 1))
    known = {row["galaxy_id"] for row in real[:: 1 if most_real > 120 else 4]}
    assert {row["real_twin_1"] for row in real} <= known


def test_scores_of_images_that_have_changed_are_not_placed(runs, tmp_path, caplog):
    path = runs[0] / "scores" / "scores.parquet"
    form, sets = joined_form([path], "real"), [ImageSet.open(each) for each in runs[1]]
    read = partial(joined_blocks, [path], form)
    with caplog.at_level("INFO"):
        for images in (sets, [*sets, blank_sky_of(sets[0], 0).subset(slice(3))]):
            list(placing.place_scores(read, form, images, None, tmp_path, seed=0))
    assert "images of blank sky are not available" in caplog.text
    assert "the image sets of blank sky hold other images than were scored" in caplog.text
    assert not list(tmp_path.iterdir())


def test_maps_sum_to_the_score(runs):
    folder = runs[0]
    row = run_scores(folder / "scores").table[130]
    maps = read_map(folder / "scores" / "maps", row["dataset"], row["image_index"])
    assert set(maps) == {"log_prob", "log_prob_background", "log_prob_other", "log_prob_sky"}
    assert maps["log_prob_sky"].shape == (SIZE, SIZE)
    for name in ("log_prob_background", "log_prob_sky"):
        assert maps[name].sum() == pytest.approx(row[name], abs=0.05)
    with pytest.raises(FileNotFoundError, match="--maps"):
        read_map(folder, "real", 0)


def test_maps_are_kept_in_bounded_files(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("simcompare.scores.pixel_maps.SHARD", 10)
    images = ImageSet.open(runs[0] / "old")
    square = type("Square", (), {"map": lambda self, stack, context: (stack**2)[:, 0]})()
    paths = write_maps(images, {"square": square}, tmp_path, batch_size=4)
    assert [path.name for path in paths] == ["old-0000.h5", "old-0001.h5", "old-0002.h5"]
    np.testing.assert_allclose(
        read_map(tmp_path, "old", 23)["square"], images.read(23).image[0, 0] ** 2, rtol=1e-5
    )
    with pytest.raises(ValueError, match="no likelihood map for plain"):
        write_maps(images, {"plain": len}, tmp_path)


def test_order_and_number_of_workers_change_nothing(runs, monkeypatch):
    folder, sets, models = runs
    monkeypatch.setattr("simcompare.commands.score._IMAGES_PER_TASK", 15)
    out = folder / "again"
    options = ["--out", str(out), "--batch-size", "15", "--workers", "2"]
    assert main(["score", *sets[:1:-1], *models, *options]) == 0
    first, second = (run_scores(each).table for each in (folder / "scores", out))
    first = first[np.isin(first["dataset"], ["old", "new"])]
    for table in (first, second):
        table.sort(["dataset", "image_index"])
    names = [name for name in second.colnames if second[name].dtype.kind == "f"]
    assert len(names) > 20
    for name in names:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-3, err_msg=name)


def test_comparison_holds_every_table_and_the_board_ranks_it(runs, capsys):
    folder = runs[0]
    options = ["--match", "mag_r", "--bins", "mag_r", "--generations", "old,new", "--bootstrap", "200"]
    for name, seed in (("first", "0"), ("second", "1")):
        out = ["--out", str(folder / name), "--seed", seed]
        assert main(["compare", str(folder / "scores"), "--reference", "real", *out, *options]) == 0
    table = read_comparison(folder / "first")
    rows = {row["dataset"]: row for row in table}
    assert list(table["dataset"][:2]) == ["new", "old"]
    assert rows["blank sky"]["delta_mean_high"] < 0
    assert rows["old"]["c2st_auc_latents"] > 0
    assert rows["new"]["n_matched"] > 10
    made = {each.name for each in read_further(folder / "first" / "tables") if each.table is not None}
    assert made == {
        "every_score", "adjusted", "matched", "balance",
        "contrasts", "typicality", "features", "posterior", "calibration",
        "bins", "trend",
    }  # fmt: skip
    record = json.loads((folder / "first" / "record.json").read_text())
    assert len(record["setting"]["model"].split(",")) == 2
    capsys.readouterr()
    assert main(["board", str(folder / "first"), str(folder / "second" / "record.json")]) == 0
    assert "second" in capsys.readouterr().out
    record["setting"]["model"] = "another"
    (folder / "other.json").write_text(json.dumps(record))
    assert main(["board", str(folder / "first"), str(folder / "other.json")]) == 2
    assert "model is" in capsys.readouterr().err


def test_nulls_are_trained_and_enter_the_comparison(runs):
    folder, sets, _ = runs
    command = ["nulls", sets[0], *sets[2:], "--model", str(folder / "flow"), "--background"]
    command += [str(folder / "plain"), "--out", str(folder / "nulls"), "--epochs", "2", "--seeds", "1"]
    assert main([*command, "--workers", "1"]) == 0
    spreads = json.loads((folder / "nulls" / "nulls.json").read_text())
    assert set(spreads) >= {"old", "new"}
    assert spreads["old"].pop("unit") == "nats"  # no twins
    assert all(value > 0 for value in spreads["old"].values())
    assert len(spreads["old"]) == 3
    shutil.rmtree(folder / "nulls" / "variants" / "seed-1")
    assert main([*command, "--workers", "1"]) == 0
    again = json.loads((folder / "nulls" / "nulls.json").read_text())
    assert again["old"].pop("unit") == "nats"
    assert again["old"] == pytest.approx(spreads["old"])
    out = ["--out", str(folder / "judged"), "--nulls", str(folder / "nulls"), "--bootstrap", "100"]
    assert main(["compare", str(folder / "scores"), "--reference", "real", *out]) == 0
    table = read_comparison(folder / "judged")
    assert table.meta["nulls_missing"] == []
    assert table["seed_scatter"][list(table["dataset"]).index("old")] == pytest.approx(
        spreads["old"]["seed_scatter"]
    )
    names = [each.name for each in read_further(folder / "judged" / "tables")]
    assert names[-4:] == ["null_seeds", "null_transforms", "null_halves", "null_models"]


def test_a_score_folder_chooses_no_code(runs, tmp_path, monkeypatch, caplog):
    """A folder from somebody else names a function in its config: compare neither imports nor calls it."""
    (tmp_path / "planted.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / "scores" / "config.toml"
    shutil.copytree(runs[0] / "scores", config.parent)
    lines = config.read_text().replace("numpy:arctan", "planted:run").splitlines(keepends=True)
    text = "".join(lines[:-1]).replace("schema = 3", "schema = 2")  # no hash: as runs of older versions are
    config.write_text(text)
    assert "planted:run" in config.read_text()
    compare = ["compare", str(config.parent), "--reference", "real", "--bootstrap", "100"]
    assert main([*compare, "--out", str(tmp_path / "a")]) == 0
    assert "planted" not in sys.modules
    assert "if you trust it, give --embedding planted:run" in caplog.text
    with open_spaces(tmp_path / "a" / "spaces.h5") as spaces:
        assert set(spaces) == {"pixels", "latents"}
    assert main([*compare, "--out", str(tmp_path / "b"), "--embedding", "numpy:arctan"]) == 0
    with open_spaces(tmp_path / "b" / "spaces.h5") as spaces:
        assert set(spaces) == {"pixels", "latents", "embedding"}


def test_what_is_asked_for_and_not_there_is_refused(runs, capsys):
    folder, sets, models = runs
    compare = ["compare", str(folder / "scores"), "--reference", "real", "--out", str(folder / "bad")]
    for options, message in (
        (["--match", "stellar_mass"], "no column stellar_mass"),
        (["--bins", "mag_r:3"], "two or more that increase"),
        (["--bins", "mag_r:a,b"], "write 'column' or"),
        (["--generations", "old,older"], "names older"),
    ):
        assert main([*compare, *options]) == 2
        assert message in capsys.readouterr().err
    score = ["score", *sets, "--out", str(folder / "bad-scores")]
    for options, message in (
        ([*models, "--reference", "absent"], "reference 'absent' is not among the image sets"),
        ([*models, "--embedding", "nowhere"], "no encoder 'nowhere' is registered"),
        ([*models, "--versus", "sky=nowhere"], "each name once, not 'background' or 'sky'"),
    ):
        assert main([*score, *options]) == 2
        assert message in capsys.readouterr().err


def test_a_model_of_another_preparation_is_refused(runs, tmp_path, capsys):
    folder = runs[0]
    write_set(tmp_path, "old", Preparation(size=SIZE, neighbours="keep"))
    command = ["score", str(tmp_path / "old"), "--model", str(folder / "flow"), "--out", str(tmp_path / "s")]
    assert main(command) == 2
    assert "neighbours is keep in the images, fill in the model" in capsys.readouterr().err


def test_another_model_at_the_same_place_is_another_model(runs, tmp_path):
    """Copies keep size and time of the last change; within one session the new one is read."""
    folder, place = runs[0], tmp_path / "m"

    def scored(source, out):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / source, place)
        options = {"neighbours": 0, "symmetries": False, "workers": 1}
        return score_image_sets(
            ScoreSettings(images=[folder / "new"], model=place, out=tmp_path / out, **options)
        )

    first = scored("flow/model", "a").numbers("log_prob")
    second = scored("plain/model", "b").numbers("log_prob")
    again = scored("flow/model", "c").numbers("log_prob")
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, again)
