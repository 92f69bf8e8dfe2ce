"""The page answers in a sentence, stands alone, and escapes what it is given."""

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from simcompare.comparison.answer import answer
from simcompare.comparison.headline import compare
from simcompare.pages.citations import citations_of
from simcompare.pages.page import ReportFigure, _smaller, write_report
from simcompare.scores.record import Scores


class Sources(HTMLParser):
    """Collects whatever a page would load, and its text."""

    def __init__(self):
        super().__init__()
        self.loaded, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data):
        self.text += data


def compared(shift, n=120, name="run <b>1</b>", seed=0):
    rng = np.random.default_rng(seed)
    parts = {"real": ("observed", 0.0, 200), name: ("simulated", shift, n)}
    rows = [
        {
            "galaxy_id": f"{dataset}{k}", "dataset": dataset, "kind": kind, "view": 0, "split": "test",
            "log_prob": rng.normal(4000, 50), "log_likelihood_ratio": rng.normal(50 + mean, 10),
        }
        for dataset, (kind, mean, m) in parts.items()
        for k in range(m)
    ]  # fmt: skip
    return compare(Scores.of(Table(rows=rows)), rng, n_bootstrap=200)


@pytest.fixture
def figure(tmp_path):
    from simcompare.figures import draw_forest, save_figure

    table = compared(-20)
    save_figure(draw_forest(table).figure, table, tmp_path / "figures", "difference")
    return ReportFigure(
        "difference", "Difference <i>", 'See "this".', tmp_path / "figures" / "difference.png"
    )


def test_page_stands_alone_and_escapes_text(tmp_path, figure):
    page = write_report(
        tmp_path,
        compared(-20),
        [figure],
        toy=True,
        provenance={"config": {"key": "<script>alert(1)</script>"}},
    )
    html = page.read_text(encoding="utf-8")
    sources = Sources()
    sources.feed(html)
    assert all(source.startswith("data:image/png;base64,") for source in sources.loaded)
    assert len(sources.loaded) == 1
    assert not re.search(r"https?://|@import|url\(", html)
    assert "<script" not in html
    assert "run <b>1</b>" in sources.text
    assert "<b>1</b>" not in html
    assert "TOY DATA" in sources.text
    assert "alert(1)" in sources.text


def test_machine_readable_report_says_the_same(tmp_path, figure):
    table = compared(-20)
    page = write_report(tmp_path, table, [figure], provenance={"seed": np.int64(3)})
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["answer"] == answer(table)
    assert content["comparison"]["rows"][0]["delta_mean"] == pytest.approx(table["delta_mean"][0])
    assert content["provenance"]["seed"] == 3
    assert "TOY DATA" not in page.read_text(encoding="utf-8")


def test_missing_figures_are_named(tmp_path):
    lost = ReportFigure("a", "A", "", tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"a\.png; draw the figures first"):
        write_report(tmp_path, compared(-20), [lost])


def test_page_and_json_say_what_to_cite(tmp_path, figure):
    cited = citations_of(["TNG50-1", "my <b>run</b>"], ["sdss"], software=["numpy"])
    page = write_report(tmp_path, compared(-20), [figure], citations=cited)
    text = page.read_text(encoding="utf-8")
    assert "doi:10.1093/mnras/stz2338" in text
    assert "No entry for simulation my &lt;b&gt;run&lt;/b&gt;" in text
    content = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert content["citations"]["papers"]["Harris2020"]["journal"] == "Nature"
    assert content["citations"]["unknown"] == ["simulation my <b>run</b>"]


def test_figures_of_the_page_keep_their_look_in_few_bytes(tmp_path):
    rng = np.random.default_rng(0)
    picture = np.full((800, 2000, 3), 255, np.uint8)
    picture[200:400, 300:900] = (0, 114, 178)
    picture[500:600] = rng.integers(0, 255, (100, 2000, 1))
    Image.fromarray(picture).save(tmp_path / "large.png")
    with Image.open(io.BytesIO(_smaller(tmp_path / "large.png"))) as small:
        assert small.size == (2000, 800)
        assert np.abs(np.array(small.convert("RGB").getpixel((570, 290)), int) - (0, 114, 178)).max() < 6
        assert min(small.convert("RGB").getpixel((10, 10))) >= 253
