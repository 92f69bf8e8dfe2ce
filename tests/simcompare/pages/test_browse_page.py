"""The page to browse: stands alone, and in a real browser sorts, filters and stays quick."""

import base64
import http.client
import io
import json
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import h5py
import numpy as np
import pytest
from PIL import Image

from simcompare.cli import main
from simcompare.pages import browse_page as browse
from simcompare.pages.browse_columns import column_groups, column_labels
from simcompare.pages.browse_page import write_browse
from simcompare.pages.browse_server import BrowseServer, make_server
from simcompare.scores.record import Scores
from simcompare.scores.run_inputs import run_maps

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Images:
    bands = ("r",)

    def read(self, index):
        n = np.atleast_1d(index).size
        y, x = np.mgrid[-8:8, -8:8]
        return type("Stack", (), {"image": np.broadcast_to(np.exp(-0.1 * (x**2 + y**2)), (n, 1, 16, 16))})


def scores(n, name="sim </script>"):
    rng = np.random.default_rng(0)
    table = Scores.of(
        {
            "galaxy_id": [f"g{k}" for k in range(2 * n)],
            "dataset": n * ["real"] + n * [name],
            "kind": n * ["observed"] + n * ["simulated"],
            "image_index": np.tile(np.arange(n), 2),
            "sky_sigma_r": np.full(2 * n, 0.1),
            "log_likelihood_ratio": rng.permutation(2 * n).astype(float),
            "log_likelihood_ratio_scale_0": rng.normal(size=2 * n),
            "mag_r": rng.normal(17, 1, 2 * n),
        }
    )
    return table.with_columns(mag_r=np.where(np.arange(2 * n) == 0, np.nan, table["mag_r"]))


def page(tmp_path, table):
    return write_browse(
        tmp_path / "browse.html", table, dict.fromkeys(table.datasets, Images()), seed=0, side=16
    )


def opened(path, state="", size="1200,800", url=None):
    """DOM and console of the page after its script has run."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--no-first-run", f"--user-data-dir={path.parent / 'profile'}", "--enable-logging=stderr",
         f"--window-size={size}", "--virtual-time-budget=5000", "--dump-dom",
         f"{url or path.as_uri()}#{state}"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def shown_rows(dom):
    return [int(row) for row in re.findall(r'data-row="(\d+)"', dom)]


def test_page_stands_alone_and_holds_the_numbers(tmp_path):
    table = scores(30)
    text = page(tmp_path, table).read_text(encoding="utf-8")
    assert re.findall(r"(.{13})https?://(.{22})", text) == [('link.href = "', "aladin.cds.unistra.fr/")]
    assert not re.search(r"@import|src=|<link", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))
    assert data["n"] == 60
    assert data["numbers"]["mag_r"][0] is None
    assert data["numbers"]["log_likelihood_ratio"] == list(table["log_likelihood_ratio"])
    assert data["datasets"]["names"] == ["real", "sim </script>"]
    assert "image_index" not in data["numbers"]


def test_too_many_galaxies_are_drawn_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(browse, "MOST_GALAXIES", 20)
    text = page(tmp_path, scores(30)).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))
    assert data["datasets"]["counts"] == [10, 10]


def test_nothing_to_browse_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"belongs to the image sets given \(none\)"):
        write_browse(tmp_path / "browse.html", scores(3), {}, seed=0)


@needs_browser
def test_sorting_and_filtering_do_what_they_say(tmp_path):
    table = scores(30)
    path = page(tmp_path, table)
    ratio = np.asarray(table["log_likelihood_ratio"])
    dom, console = opened(path)
    assert console == []
    assert shown_rows(dom) == list(np.argsort(ratio))
    dom, _ = opened(path, "sort=mag_r&up=0")
    assert shown_rows(dom) == [*np.argsort(-np.nan_to_num(table["mag_r"], nan=-99))[:-1], 0]
    dom, _ = opened(path, "off=0")
    assert shown_rows(dom) == [k for k in np.argsort(ratio) if k >= 30]
    dom, _ = opened(path, "range=log_likelihood_ratio&low=10&high=19&pick=3")
    assert len(shown_rows(dom)) == 10
    assert "10 of 60 images" in dom
    assert "<td>g3</td>" in dom


def test_every_column_is_in_a_group_and_has_its_own_label(tmp_path):
    names = ["structure_z", "mag_r", "asymmetry", "measured_asymmetry", "snr", "my_own_column"]
    groups, labels = column_groups(names), column_labels(names)
    assert groups["Summary"] == ["structure_z", "mag_r", "snr"]
    assert groups["Shape"] == ["asymmetry", "measured_asymmetry"]
    assert groups["Other"] == ["my_own_column"]
    assert labels["mag_r"] == "r magnitude [mag]"
    assert labels["asymmetry"] == "asymmetry (asymmetry)"
    assert labels["measured_asymmetry"] == "asymmetry (measured_asymmetry)"


@needs_browser
def test_search_and_columns_do_what_they_say(tmp_path):
    path = page(tmp_path, scores(30))
    dom, console = opened(path, "find=G33&pick=33&columns=Log-likelihoods")
    assert console == []
    assert shown_rows(dom) == [33]
    assert "1 of 60 images" in dom
    panel = re.search(r'<table id="values">(.*?)</table>', dom, re.S).group(1)
    assert "log-likelihood ratio [nat]" in panel
    assert "magnitude" not in panel
    dom, _ = opened(path, "pick=33&columns=All+columns")
    assert "r magnitude [mag]" in re.search(r'<table id="values">(.*?)</table>', dom, re.S).group(1)
    assert opened(path, "find=<b>nothing</b>")[1] == []
    assert shown_rows(opened(path, "find=<b>nothing</b>")[0]) == []


@needs_browser
def test_scatter_shows_the_galaxies_that_are_kept(tmp_path):
    path = page(tmp_path, scores(30))
    dom, console = opened(path, "view=scatter&range=mag_r&off=1")
    assert console == []
    assert 'data-shown="29"' in re.search(r'<canvas id="plot".*?>', dom).group()  # one has no magnitude
    assert shown_rows(dom) == []


@needs_browser
def test_link_of_the_report_opens_its_galaxy(tmp_path):
    path = page(tmp_path, scores(30))
    dom, console = opened(path, "galaxy=g3&set=real")
    assert console == []
    assert re.findall(r'class="cell on" data-row="(\d+)"', dom) == ["3"]
    assert 'class="cell on"' not in opened(path, "galaxy=g3&set=sim+%3C%2Fscript%3E")[0]  # of another set


@needs_browser
def test_keys_search_move_and_leave(tmp_path):
    """What each key does, pressed by a script that the test adds to the page."""
    path = page(tmp_path, scores(30))
    order = np.argsort(scores(30)["log_likelihood_ratio"])
    text = path.read_text(encoding="utf-8")

    def after(*keys):
        presses = "".join(
            f"(document.activeElement || document.body).dispatchEvent(new KeyboardEvent('keydown', "
            f"{{key: {json.dumps(key)}, bubbles: true}}));" for key in keys
        )  # fmt: skip
        path.write_text(text.replace("document.body.dataset.ready", f"{presses}document.body.dataset.ready"))
        dom, console = opened(path)
        assert console == []
        return dom

    def picked(dom):
        return [int(k) for k in re.findall(r'class="cell on" data-row="(\d+)"', dom)]

    assert picked(after("Enter")) == [order[0]]
    assert picked(after("Enter", "ArrowRight", "ArrowRight", "ArrowLeft")) == [order[1]]
    assert picked(after("Enter", "Escape")) == []
    assert picked(after("/", "ArrowRight")) == []  # typed into the search
    assert picked(after("r", "Enter")) == [order[-1]]
    assert '<dialog id="help" aria-label="Keyboard" open' in after("?")


def placed(n=6):
    """Scores of real galaxies at places on the sky, of which some are near in latents."""
    table = scores(n)
    twins = [f"g{k}" for k in (*range(1, n), 0, *range(n))]
    return table.with_columns(
        real_twin_1=twins, real_distance_1=np.ones(2 * n), ra=np.full(2 * n, 150.1), dec=np.full(2 * n, -2.5)
    ).with_reference("real")


@needs_browser
def test_galaxy_stands_beside_its_nearest_real_one_with_maps(tmp_path):
    table = placed()
    maps = {"real": lambda k: np.full((16, 16), 1.0), "sim </script>": lambda k: np.full((16, 16), -1.0)}
    path = write_browse(
        tmp_path / "browse.html", table, dict.fromkeys(table.datasets, Images()), seed=0, side=16, maps=maps
    )
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S).group(1))
    assert [row[0] for row in data["near"]] == [1, 2, 3, 4, 5, 0, 0, 1, 2, 3, 4, 5]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["map_sheets"][0]["jpeg"]))))
    red, _, blue = np.moveaxis(sheet[:16, : 12 * 16].reshape(16, 12, 16, 3).mean(axis=(0, 2)), -1, 0)
    assert (blue[:6] > red[:6]).all()  # likelier as a real galaxy
    assert (red[6:] > blue[6:]).all()
    dom, console = opened(path, "pick=8")
    assert console == []
    assert re.findall(r'data-neighbour="(\d+)"', dom) == ["8", "2"]
    assert "nearest real galaxies in the latents of the flow" in dom
    assert dom.count('class="picture map"') == 2
    assert 'id="sky" hidden' in dom  # a simulated galaxy has no place on the sky
    dom, _ = opened(path, "pick=2")
    assert "target=150.1%20-2.5" in dom
    assert 'id="sky" hidden' not in dom


def test_maps_of_a_score_run_are_found(tmp_path):
    (tmp_path / "config.toml").write_text('verb = "score"\nschema = 2\n[score]\nseed = 0\n')
    assert run_maps(tmp_path) == {}
    (tmp_path / "maps").mkdir()
    with h5py.File(tmp_path / "maps" / "real-0000.h5", "w") as file:
        file.attrs["dataset"] = "real"
        file["log_prob"], file["log_prob_background"] = np.full((2, 4, 4), 3.0), np.full((2, 4, 4), 1.0)
        file["image_index"] = np.arange(2)
    assert np.array_equal(run_maps(tmp_path)["real"](1), np.full((4, 4), 2.0))


@needs_browser
def test_ten_thousand_galaxies_are_quick(tmp_path):
    path = page(tmp_path, scores(5000))
    start = time.perf_counter()
    dom, console = opened(path)
    assert console == []
    assert time.perf_counter() - start < 20  # start of the browser included
    assert float(re.search(r'data-filter-milliseconds="([\d.]+)"', dom).group(1)) < 200
    assert 20 < len(shown_rows(dom)) < 400


@contextmanager
def serving(made):
    """Let a server answer in another thread."""
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        made.shutdown()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def server():
    table = scores(30)
    made = make_server(table, dict.fromkeys(table.datasets, Images()), side=16)
    with serving(made):
        yield made


def asked(server, path, host=None):
    """Status and content of one request."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_server_answers_about_the_run_and_nothing_else(server):
    table = scores(30)
    status, content = asked(server, "/data.json")
    data = json.loads(content)
    assert (status, data["n"], data["numbers"]) == (200, 60, {})
    column = data["columns"].index("mag_r")
    values = np.frombuffer(asked(server, f"/column/{column}")[1], "<f8")
    assert np.array_equal(values, table["mag_r"], equal_nan=True)
    words, numbers, near = json.loads(asked(server, "/row/0")[1])
    assert near == [-1, -1, -1]  # without S/N and sizes there are no nearest ones
    assert json.loads(asked(server, "/ids.json")[1]) == [f"g{k}" for k in range(60)]
    assert asked(server, "/map/0")[0] == 404
    assert words["galaxy_id"] == "g0"
    assert numbers["mag_r"] is None
    assert asked(server, "/sheet/0")[1].startswith(b"\xff\xd8")
    outside = ("/etc/passwd", "//etc/passwd", "/run.log", "/../scores.parquet", "/%2e%2e/scores.parquet")
    outside += ("/sheet/../../scores.parquet", "/column/%2fetc%2fpasswd")
    for path in ("/sheet/1", "/row/60", "/row/-1", "/row/1?x", *outside):
        assert asked(server, path)[0] == 404
    assert asked(server, "/data.json", host="evil.example:80")[0] == 404


def test_server_listens_to_this_machine_alone(server):
    """Another address of this machine is refused, though it is served on the loopback one."""
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", server.server_port))
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as connection:
        connection.request("POST", "/data.json", body=b"x")
        assert connection.getresponse().status == 404
    with pytest.raises(OSError, match="give another --port"):
        BrowseServer(server.server_port, lambda path: None)


def test_two_hundred_requests_at_once_are_answered(capfd, caplog):
    def answers(path):
        time.sleep(0.01)
        return "text/plain", path.encode() * 1000

    def ask(k):
        return asked(made, f"/row/{k}") == (200, f"/row/{k}".encode() * 1000)

    with BrowseServer(0, answers) as made, serving(made), ThreadPoolExecutor(200) as pool:
        assert all(pool.map(ask, range(200)))
        silent = [socket.create_connection(("127.0.0.1", made.server_port)) for _ in range(150)]
        assert all(pool.map(ask, range(50)))  # beside 150 who say nothing
        for each in silent:
            each.close()
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_slow_clients_are_dropped_and_broken_pipes_are_silent(capfd, caplog):
    with BrowseServer(0, lambda path: ("text/plain", bytes(20_000_000)), patience=1.0) as made, serving(made):
        place, request = ("127.0.0.1", made.server_port), f"Host: 127.0.0.1:{made.server_port}\r\n\r\n"
        says_nothing = socket.create_connection(place)
        asks_slowly = socket.create_connection(place)
        asks_slowly.sendall(b"GET / HTTP/1.1\r\nHo")
        asks_by_bytes = socket.create_connection(place)
        asks_by_bytes.sendall(b"GET / HTTP/1.1\r\nX: ")
        takes_nothing = socket.create_connection(place)
        takes_nothing.sendall(f"GET / HTTP/1.1\r\n{request}".encode())
        for k in range(20):  # go away in the middle of the answer
            leaves = socket.create_connection(place, timeout=30)
            leaves.sendall(f"GET /{k} HTTP/1.1\r\n{request}".encode())
            leaves.recv(1000)
            leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaves.close()
        end, is_dropped = time.monotonic() + 20, False
        while not is_dropped and time.monotonic() < end:
            try:  # never silent for long
                asks_by_bytes.sendall(b"x")
            except OSError:
                is_dropped = True
            time.sleep(0.1)
        assert is_dropped
        for client in (says_nothing, asks_slowly):
            client.settimeout(10)
            assert client.recv(1000) == b""
        end = time.monotonic() + 10
        while made._server.active_channels and time.monotonic() < end:
            time.sleep(0.1)
        assert not made._server.active_channels
        assert asked(made, "/")[0] == 200
        for client in (says_nothing, asks_slowly, asks_by_bytes, takes_nothing):
            client.close()
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_head_has_no_body_and_other_methods_no_answer(server):
    address = ("127.0.0.1", server.server_port)
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        with socket.create_connection(address, timeout=10) as client:
            host = f"Host: 127.0.0.1:{server.server_port}\r\nConnection: close\r\n\r\n"
            client.sendall(f"{method} /data.json HTTP/1.1\r\n{host}".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200" if method == "HEAD" else b"HTTP/1.1 404")
        if method == "HEAD":
            assert answer.endswith(b"\r\n\r\n")
            assert f"Content-Length: {len(asked(server, '/data.json')[1])}".encode() in answer


def test_an_answer_that_cannot_be_made_is_one_line(caplog):
    def answers(path):
        raise OSError("part-0000.h5 is not what was written there")

    with BrowseServer(0, answers) as made, serving(made):
        assert asked(made, "/sheet/0") == (500, b"part-0000.h5 is not what was written there\n")
    assert caplog.messages == ["part-0000.h5 is not what was written there"]


@needs_browser
def test_served_page_sorts_and_filters_as_the_file(server, tmp_path):
    path = page(tmp_path, scores(30))
    state = "find=g3&sort=mag_r&up=0&off=0&range=log_likelihood_ratio&low=10&high=39&pick=33"
    there, console = opened(path, state, url=server.url)
    assert console == []
    here, _ = opened(path, state)
    assert shown_rows(there) == shown_rows(here)
    assert "<td>g33</td>" in there


def test_run_is_browsed_by_the_command_line(tmp_path, capsys):
    assert main(["browse", str(tmp_path)]) == 2
    assert "scores.parquet does not exist" in capsys.readouterr().err
