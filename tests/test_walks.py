"""The walks of CONTRIBUTING.md, taken: its code is run as it stands there."""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from astropy.table import Table

import simcompare
from flows import FlowConfig, FlowModel, TrainingConfig, train
from flows.densities.registry import ARCHITECTURES
from mocks import SURVEYS, load_survey, stream
from mocks import surveys as survey_registry
from mocks.readers import registry as reader_registry
from mocks.toys import toy_galaxy, write_eagle_extract
from simcompare.cli import main
from simcompare.commands.planning.table import COMMANDS
from simcompare.pages import sections
from simcompare.pages.cells import value_text
from simcompare.scores.columns import COLUMNS

ROOT = Path(__file__).parents[1]
HERE = {"workers": 1}


def section(heading):
    """One section of CONTRIBUTING.md: its text and its code."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.S | re.M).group(1)
    return found, "".join(re.findall(r"^```python\n(.*?)^```", found, re.S | re.M))


def walk(heading, monkeypatch):
    """Run the code of a section as a module; the files that it names must be there."""
    text, code = section(heading)
    for path in re.findall(r"`((?:mocks|flows|simcompare)/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), f"{path} is named in '{heading}' but is not there"
    module = ModuleType(re.sub(r"\W", "_", heading))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, f"CONTRIBUTING.md, {heading}", "exec"), vars(module))
    return module


@pytest.fixture
def registry(monkeypatch):
    """Give back a registry as it was."""
    kept = []

    def keep(entries):
        kept.append((entries, dict(entries)))
        return entries

    yield keep
    for entries, before in kept:
        entries.clear()
        entries.update(before)


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Install a package of somebody else, with a module and its entry points."""

    def offer(group, name, value, **modules):
        for module, code in modules.items():
            (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / "walk-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: walk\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    caches = survey_registry._plugins, reader_registry._plugins
    [each.cache_clear() for each in caches]
    yield offer
    [each.cache_clear() for each in caches]


@pytest.fixture(scope="module")
def extract(tmp_path_factory):
    path = tmp_path_factory.mktemp("toys") / "toy.hdf5"
    write_eagle_extract(path, [toy_galaxy("toy-3", stream(1, i), subhalo_id=i) for i in range(4)])
    return path


def test_add_a_survey(offered, tmp_path, extract):
    text = SURVEYS["sdss"].read_text(encoding="utf-8")
    mine = text.replace('name = "sdss"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(mine.replace("value = 0.396", "value = 0.5"))
    code = "from pathlib import Path\nMINE = Path(__file__).with_name('mine.toml')\n"
    offered("simcompare.surveys", "mine", "walk_survey:MINE", walk_survey=code)
    assert load_survey("mine").pixel_scale == 0.5
    images = simcompare.mock(extract, survey="mine", redshift=0.05, size=32, **HERE)
    assert (images.survey, images.pixel_scale, len(images)) == ("mine", 0.5, 4)


def test_add_a_simulation(offered, tmp_path):
    rng, n = np.random.default_rng(1), 4000
    np.savez(
        tmp_path / "run.stone.npz",
        galaxy=np.repeat([3, 7], n // 2),
        position=rng.normal(0, 2, (n, 3)),
        mass=np.full(n, 1e7),
        age=rng.uniform(1, 8, n),
        metallicity=np.full(n, 0.02),
    )
    _, code = section("Add a simulation")
    offered("simcompare.simulations", "stone", "walk_stone:STONE", walk_stone=code)
    galaxy = simcompare.open_snapshot(tmp_path / "run.stone.npz").read(7)
    assert (galaxy.simulation, galaxy.subhalo_id, len(galaxy.stars)) == ("STONE-1", 7, n // 2)
    images = simcompare.mock(tmp_path / "run.stone.npz", size=32, **HERE)
    assert images.name == "STONE-1"
    assert images.catalogue["stellar_mass"].tolist() == [2e10, 2e10]


def test_add_a_score_column_and_a_figure(registry, extract, monkeypatch, tmp_path):
    registry(COLUMNS)
    walk("Add a score column", monkeypatch)
    figure = walk("Add a figure", monkeypatch)
    images = simcompare.mock(extract, redshift=0.05, **HERE)
    scores = simcompare.score(images, model="sdss-r", symmetries=False, **HERE)
    table = scores.derived().table
    np.testing.assert_allclose(table["ratio_per_pixel"], table["log_likelihood_ratio"] / 4096)
    assert table["ratio_per_pixel"].description == "log-likelihood ratio of a mean pixel [nat]"
    ax = plt.subplots()[1]
    assert figure.draw_counts(figure.count_numbers(scores), ax) is ax
    assert [bar.get_width() for bar in ax.patches][-1] == 4
    plt.close(ax.figure)

    drawn = sections.draw_scores

    def with_mine(book, scores, *further):
        drawn(book, scores, *further)
        figure.draw_mine(book, scores)

    monkeypatch.setattr(sections, "draw_scores", with_mine)
    page = simcompare.report(simcompare.compare(scores, bootstrap=100, out=tmp_path / "run"))
    content = json.loads(page.path.with_suffix(".json").read_text())
    names = [each["name"] for each in content["figures"]]
    for name in ("counts", "distribution_ratio_per_pixel"):
        assert name in names
        assert all(
            (page.path.parent / "figures" / f"{name}.{end}").is_file() for end in ("png", "pdf", "ecsv")
        )
    every = next(each for each in content["further"] if each["name"] == "every_score")
    rows = {row["dataset"]: row for row in every["rows"] if row["column"] == "ratio_per_pixel"}
    assert set(rows) == {scores.reference, "toy-3", "SDSS r held-out twins"}
    assert {row["score"] for row in rows.values()} == {"ratio per pixel"}
    mine = scores.sample("toy-3")["log_likelihood_ratio"] / 4096
    real = scores.reference_sample()["log_likelihood_ratio"] / 4096
    assert rows["toy-3"]["median"] == pytest.approx(np.median(mine))
    assert rows["toy-3"]["delta_mean"] == pytest.approx(mine.mean() - real.mean())
    low, median, high = (rows[scores.reference][f"median{end}"] for end in ("_low", "", "_high"))
    assert low < median < high
    beside = Table.read(page.path.parent / "tables" / "every_score.ecsv", format="ascii.ecsv")
    assert beside["median"][beside["column"] == "ratio_per_pixel"].tolist() == [
        each["median"] for each in rows.values()
    ]
    html = page.path.read_text(encoding="utf-8")
    row = html[html.index(">ratio per pixel</td>") :].split("</tr>")[0]
    assert f">{value_text(median, 'median')}" in row
    assert "How many galaxies" in html


def test_add_a_verb(registry, extract, monkeypatch, tmp_path, capsys):
    registry(COMMANDS)
    walk("Add a verb", monkeypatch)
    images = simcompare.mock(extract, redshift=0.05, size=32, out=tmp_path / "set", **HERE)
    assert main(["count", str(tmp_path / "set"), "--twice"]) == 0
    assert capsys.readouterr().out == "8 images\n"
    assert main(["--help"]) == 0
    assert "Count the images of image sets." in capsys.readouterr().out
    monkeypatch.delitem(vars(simcompare), "count", raising=False)
    assert simcompare.count([images, images]) == 8
    monkeypatch.delitem(vars(simcompare), "count")


def test_change_the_conditioner(registry, monkeypatch, tmp_path):
    registry(ARCHITECTURES)
    module = walk("Change the flow's conditioner", monkeypatch)
    rng = np.random.default_rng(1)
    images = rng.normal(size=(64, 1, 8, 8)).astype(np.float32)
    config = FlowConfig(size=8, architecture="wavelet-plain", softening=(1.0,))
    model = train(images, None, config=config, training=TrainingConfig(epochs=2), seed=1)
    used = {type(each) for each in model.density.conditioners[:-1]}
    assert used == {module.PlainConditioner}
    batch = torch.tensor(images[:4])
    latents = model.latents(batch)
    torch.testing.assert_close(model.inverse(latents), batch.double(), atol=1e-3, rtol=1e-3)
    model.save(tmp_path / "model")
    torch.testing.assert_close(FlowModel.load(tmp_path / "model").log_prob(batch), model.log_prob(batch))


def test_the_house_is_drawn_as_it_stands():
    text, _ = section("Layout")
    drawing = re.search(r"```text\n(.*?)```", text, re.S).group(1)
    for home in ("mocks", "flows", "simcompare"):
        folders = [each.parent.name for each in (ROOT / home).glob("*/__init__.py")]
        missing = [name for name in folders if f"{name}/" not in drawing and name != "toys"]
        assert not missing, f"CONTRIBUTING.md does not draw {', '.join(missing)} of {home}"
    for name in set(re.findall(r"(\w+)/", drawing)) - {"mocks", "flows", "simcompare"}:
        assert list(ROOT.glob(f"*/**/{name}/__init__.py")), (
            f"CONTRIBUTING.md draws {name}/, which is not there"
        )
