"""The interactive scatter of the report: its numbers, its pictures, and what a browser makes of it."""

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from simcompare.comparison.headline import compare
from simcompare.pages import scatter
from simcompare.pages.page import ReportFigure, report_content, write_report
from simcompare.pages.scatter import scatter_data
from simcompare.scores.record import Scores

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
NAME = "sim </script><b>"


class Images:
    """Images as bright as their number."""

    bands = ("r",)

    def read(self, index):
        index = np.atleast_1d(index)
        image = np.broadcast_to(index[:, None, None, None], (index.size, 1, 16, 16)).astype(float)
        return type("Stack", (), {"image": image})


def scores(n=30):
    rng = np.random.default_rng(0)
    table = Scores.of(
        {
            "galaxy_id": [f"g{k}" for k in range(2 * n)],
            "dataset": n * ["real"] + n * [NAME],
            "kind": n * ["observed"] + n * ["simulated"],
            "split": 5 * ["train"] + (2 * n - 5) * ["test"],
            "view": np.zeros(2 * n, int),
            "image_index": np.tile(np.arange(n), 2),
            "sky_sigma_r": np.full(2 * n, 0.1),
            "log_prob": rng.normal(size=2 * n),
            "log_likelihood_ratio": np.arange(2 * n, dtype=float),
            "mag_r": np.linspace(15, 18, 2 * n),
            "half_light_radius": np.geomspace(1, 10, 2 * n),
        }
    )
    return table.with_columns(mag_r=np.where(np.arange(2 * n) == 10, np.nan, table["mag_r"]))


def test_scatter_holds_held_out_and_simulated_galaxies():
    data = scatter_data(scores(), {NAME: Images()}, seed=0)
    assert data["ids"] == [f"g{k}" for k in range(5, 60)]
    assert data["y"] == ["log_likelihood_ratio", "log_prob"]
    assert data["x"] == ["mag_r", "half_light_radius"]
    assert data["logarithmic"] == ["half_light_radius"]
    assert data["numbers"]["log_likelihood_ratio"] == list(range(5, 60))
    assert data["numbers"]["mag_r"][5] is None
    assert data["datasets"]["counts"] == [25, 30]
    assert data["datasets"]["pictured"] == [False, True]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sheet"]["jpeg"]))), float)
    brightness = [sheet[40 * (k // 50) + 20, 40 * (k % 50) + 20].mean() for k in range(55)]
    assert max(brightness[:25]) < 10  # no images of the real ones
    assert brightness[54] > brightness[35] > brightness[26]


def test_too_many_points_are_drawn_evenly(monkeypatch):
    monkeypatch.setattr(scatter, "MOST_POINTS", 20)
    data = scatter_data(scores(), {}, seed=0)
    assert data["datasets"]["counts"] == [10, 10]
    assert data["sheet"] is None


def test_without_properties_or_simulations_there_is_no_scatter():
    table = scores()
    assert scatter_data(table.without("mag_r", "half_light_radius", "sky_sigma_r"), {}, seed=0) is None
    assert scatter_data(table[table.equals("dataset", "real")], {}, seed=0) is None


def report(tmp_path):
    """A report with one figure of properties, beside which the scatter stands."""
    table = scores()
    Image.new("RGB", (300, 200), "white").save(tmp_path / "relations.png")
    figure = ReportFigure(
        "relations", "Relations", "Medians.", tmp_path / "relations.png", section="properties"
    )
    compared = compare(table, np.random.default_rng(0), n_bootstrap=100)
    data = scatter_data(table, {NAME: Images()}, seed=0)
    return write_report(tmp_path, report_content(compared, [figure]), compared, [figure], scatter=data)


def test_without_scripts_the_static_figure_stands_alone(tmp_path):
    html = report(tmp_path).read_text(encoding="utf-8")
    assert '<div id="scatter" hidden>' in html
    assert "Relations. Medians." in html
    assert not re.search(r"https?://|@import", html)
    data = json.loads(re.search(r'id="scatter-data">(.*?)</script>', html, re.S).group(1))
    assert data["datasets"]["names"] == ["real", NAME]
    assert len(re.findall("</script>", html)) == 2


def opened(path, keys=()):
    """DOM and console of the page after keys were pressed on the plot."""
    presses = "".join(
        f"get('scatter-plot').dispatchEvent(new KeyboardEvent('keydown', {{key: {json.dumps(key)}}}));"
        for key in keys
    )
    text = path.read_text(encoding="utf-8")
    pressed = path.with_name("pressed.html")
    pressed.write_text(text.replace("\ndraw(); show();\n", f"\ndraw(); show();{presses}\n"), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--no-first-run", f"--user-data-dir={path.parent / 'profile'}", "--enable-logging=stderr",
         "--window-size=1200,800", "--virtual-time-budget=5000", "--dump-dom", pressed.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_browser
def test_points_lead_to_their_galaxy(tmp_path):
    path = report(tmp_path)
    dom, console = opened(path)
    assert console == []
    assert '<div id="scatter">' in dom
    assert 'data-shown="54"' in dom  # one has no magnitude
    dom, console = opened(path, 3 * ["ArrowRight"] + ["ArrowLeft"])
    assert console == []
    assert '<b id="scatter-id">g6</b>' in dom  # the second along the axis
    assert "browse.html#galaxy=g6&amp;set=real" in dom
    assert 'id="scatter-picture" hidden' in dom
    dom, _ = opened(path, 60 * ["ArrowRight"])
    assert "browse.html#galaxy=g59&amp;set=sim+%3C%2Fscript%3E%3Cb%3E" in dom
    assert '<span id="scatter-set">sim &lt;/script&gt;&lt;b&gt;</span>' in dom
    assert "data:image/jpeg;base64" in dom
