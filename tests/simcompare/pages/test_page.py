"""The page answers in a sentence, stands alone, and escapes what it is given."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from simcompare.comparison.answer import answer
from simcompare.comparison.headline import compare
from simcompare.pages.citations import citations_of
from simcompare.pages.page import ReportFigure, _smaller, closely, report_content, write_report
from simcompare.runs.names import file_name
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


def report(folder, comparison, figures, *, citations=None, pictures=None, **said):
    content = report_content(comparison, figures, citations=citations, **said)
    return write_report(folder, content, comparison, figures, citations=citations, pictures=pictures)


@pytest.fixture
def figure(tmp_path):
    from simcompare.figures import draw_forest, save_figure

    table = compared(-20)
    save_figure(draw_forest(table).figure, table, tmp_path / "figures", "difference")
    return ReportFigure(
        "difference", "Difference <i>", 'See "this".', tmp_path / "figures" / "difference.png"
    )


def test_page_stands_alone_and_escapes_text(tmp_path, figure):
    page = report(
        tmp_path,
        compared(-20),
        [figure],
        toy=True,
        provenance={"config": {"key": "<script>alert(1)</script>"}},
    )
    html = page.read_text(encoding="utf-8")
    sources = Sources()
    sources.feed(html)
    loaded = [source for source in sources.loaded if not source.startswith("#")]
    assert len(loaded) == 1
    assert loaded[0].startswith("data:image/png;base64,")
    anchors = {source[1:] for source in sources.loaded if source.startswith("#")}
    assert anchors <= set(
        re.findall(r'id="([^"]+)"', html)
    )  # no link of the contents or a card leads nowhere
    assert not re.search(r"https?://|@import|url\(", html)
    assert "<script" not in html
    assert "run <b>1</b>" in sources.text
    assert "<b>1</b>" not in html
    assert "TOY DATA" in sources.text
    assert "alert(1)" in sources.text


def test_machine_readable_report_says_the_same(tmp_path, figure):
    table = compared(-20)
    page = report(tmp_path, table, [figure], provenance={"seed": np.int64(3)})
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["answer"] == answer(table)
    assert content["comparison"]["rows"][0]["delta_mean"] == pytest.approx(table["delta_mean"][0])
    assert content["provenance"]["seed"] == 3
    assert "TOY DATA" not in page.read_text(encoding="utf-8")


def test_missing_figures_are_named(tmp_path):
    lost = ReportFigure("a", "A", "", tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=r"a\.png; draw the figures first"):
        report(tmp_path, compared(-20), [lost])


def test_page_and_json_say_what_to_cite(tmp_path, figure):
    cited = citations_of(["TNG50-1", "my <b>run</b>"], ["sdss"], software=["numpy"])
    page = report(tmp_path, compared(-20), [figure], citations=cited)
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


def test_first_screen_has_the_columns_that_decide_and_the_doubts_before_all_others(tmp_path, figure):
    table = compared(-20)
    table["caution"] = ["only <3> galaxies"] + [""] * (len(table) - 1)
    html = report(tmp_path, table, [figure]).read_text(encoding="utf-8")
    places = [html.index(text) for text in ('class="answer"', "<figure", "only &lt;3&gt; galaxies",
                                            'class="main"', "All columns", 'id="datasets"')]  # fmt: skip
    assert places == sorted(places)
    heads = re.findall(r"<th>([^<]+)</th>", html[html.index('class="main"') : html.index("All columns")])
    assert heads == ["data set", "galaxies", "structure fraction f", "z", "p (Holm)", "verdict"]
    assert html.count("only &lt;3&gt; galaxies") == 2  # and on the card of the data set


def test_every_data_set_has_a_card_with_its_images_and_links_to_its_figures(tmp_path, figure):
    table = compared(-20, name="TNG50-1")
    near = replace(figure, name=file_name(closely("TNG50-1")), section="galaxies", title="Near")
    pictures = {"TNG50-1": figure.path.read_bytes()}
    html = report(tmp_path, table, [figure, near], pictures=pictures).read_text(encoding="utf-8")
    card = html[html.index('<article class="card" id="card-row-0"') :].partition("</article>")[0]
    assert 'alt="Galaxies of TNG50-1 with scores nearest to its median"' in card
    assert 'href="#row-0"' in card
    assert f'href="#figure-{near.name}"' in card
    assert f'id="figure-{near.name}"' in html
    reference = html[html.index('id="card-reference"') :].partition("</article>")[0]
    assert "real galaxies, held out: N = 200" in reference
    assert "No images available." in reference


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.4, 0.6, "0.50 (0.40 to 0.60)"),
        (-np.inf, np.inf, "0.50 (interval unbounded)"),
        (np.nan, 0.6, "0.50"),
    ],
)
def test_a_card_writes_the_fraction_as_a_person_would(low, high, says, tmp_path):
    table = compared(-20, name="TNG50-1")
    for end, value in (("", 0.5), ("_low", low), ("_high", high)):
        table[f"structure_fraction{end}"] = value
    table["verdict"] = "smoother than real"
    html = report(tmp_path, table, []).read_text(encoding="utf-8")
    assert f"<b>f = {says}</b>: smoother than real" in html


def test_figures_say_what_is_seen(tmp_path):
    from simcompare.figures import draw_forest, save_figure
    from simcompare.figures.descriptions import described

    table = compared(-20, name="TNG50-1")
    table["structure_fraction"], table["structure_fraction_low"], table["structure_fraction_high"] = (
        0.5,
        0.4,
        0.6,
    )
    table["verdict"] = "smoother than real"
    save_figure(draw_forest(table).figure, None, tmp_path, "difference", description=described(table))
    shown = ReportFigure("difference", "Structure", "Bars.", tmp_path / "difference.png")
    html = report(tmp_path, table, [shown]).read_text(encoding="utf-8")
    assert "TNG50-1 0.50 (0.40 to 0.60), smoother than real" in re.findall(r'alt="([^"]+)"', html)[0]
