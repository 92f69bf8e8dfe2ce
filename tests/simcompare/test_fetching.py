"""The command that fetches, against a server on loopback: targets, bands, lists, dry run, failures."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.table import Table

from simcompare.cli import main
from simcompare.observed import read_places


class Handler(BaseHTTPRequestHandler):
    """Gives what `server.answer` returns for a path; None is HTTP 404."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.paths.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        data = self.server.answer(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.paths, made.headers, made.answer = [], [], lambda path: b"BZh91AY"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    made.base = f"http://127.0.0.1:{made.server_port}"
    yield made
    made.shutdown()
    made.server_close()


def run(server, *words):
    return main(["-q", "fetch", *map(str, words), "--base", server.base, "--rate", "1000"])


def test_frames_of_a_catalogue_are_fetched_once_each(server, tmp_path, capsys):
    rows = {"RA": [1.0, 1.1, 2.0], "run": [94, 94, 1033], "camcol": [1, 1, 2], "field": [131, 131, 12]}
    Table(rows).write(tmp_path / "galaxies.csv")
    out = tmp_path / "frames"
    words = ("sdss-frame", "--targets", tmp_path / "galaxies.csv", "--bands", "gr", "--out", out)
    assert run(server, *words, "--dry-run") == 0
    assert "4 files to fetch, about 0.0132 GB, at least 0 min" in capsys.readouterr().out
    assert server.paths == []
    assert run(server, *words) == 0
    assert "4 files fetched" in capsys.readouterr().out
    assert (out / "frame-g-001033-2-0012.fits.bz2").is_file()
    assert run(server, *words) == 0
    assert "0 files fetched (0.0 MB), 4 there" in capsys.readouterr().out
    assert len(server.paths) == 4
    assert run(server, *words, "--release", "dr16", "--out", tmp_path / "other") == 0
    assert server.paths[-1].startswith("/dr16/eboss/photoObj/frames/301/")


def test_catalogue_query_gives_targets_for_all_the_rest(server, tmp_path):
    server.answer = lambda path: b"#Table1\nobjid,ra,dec,run,camcol,field,z\n7,10.5,-1.0,94,1,131,0.04\n"
    words = ("sdss-catalogue", "--redshift", 0.03, 0.055, "--log-stellar-mass", 10, "--limit", 5000)
    assert run(server, *words, "--out", tmp_path) == 0
    sql = parse_qs(urlsplit(server.paths[0]).query)["cmd"][0]
    assert "TOP 5000" in sql
    assert "BETWEEN 0.03 AND 0.055" in sql
    assert "m.logMass > 10.0" in sql
    places = read_places(tmp_path / "galaxies.csv")
    assert (places["ra"][0], places["z"][0]) == (10.5, 0.04)
    server.answer = lambda path: b"\xff\xd8\xff"
    words = ("skyserver-jpeg", "--targets", tmp_path / "galaxies.csv", "--field", "scale=0.2")
    assert run(server, *words, "--out", tmp_path) == 0
    assert (tmp_path / "J-J004200.00-010000.0.jpg").is_file()
    assert parse_qs(urlsplit(server.paths[-1]).query)["scale"] == ["0.2"]


def test_failures_are_listed_and_nothing_at_all_is_an_error(server, tmp_path, capsys):
    Table({"run": [1, 2], "camcol": [1, 1], "field": [1, 1]}).write(tmp_path / "t.ecsv")
    server.answer = lambda path: None if "000002" in path else b"BZh91AY"
    words = ("sdss-frame", "--targets", tmp_path / "t.ecsv", "--bands", "r", "--out", tmp_path / "out")
    assert run(server, *words) == 0
    assert "1 files fetched" in capsys.readouterr().out
    failures = Table.read(tmp_path / "out" / "failures-sdss-frame.ecsv")
    assert failures["path"].tolist() == ["frame-r-000002-1-0001.fits.bz2"]
    assert "HTTP 404" in failures["reason"][0]
    server.answer = lambda path: None
    assert run(server, *words, "--out", tmp_path / "none") == 2
    assert "none of 2 files; the first" in capsys.readouterr().err


def test_bulk_lists_of_cutouts_and_psfs_agree_line_by_line(tmp_path, monkeypatch):
    from simcompare.config import FetchSettings
    from simcompare.fetching import _targets

    Table({"ra": np.linspace(150, 151, 450), "dec": np.full(450, 2.0)}).write(tmp_path / "t.ecsv")
    lists = {}
    for archive in ("hsc-cutout-bulk", "hsc-psf-bulk"):
        settings = FetchSettings(archive=archive, targets=tmp_path / "t.ecsv", bands="gri")
        lists[archive] = [target["list"].splitlines() for target in _targets(settings)]
    assert [len(lines) for lines in lists["hsc-cutout-bulk"]] == [1000, 352]
    for cutouts, psfs in zip(*lists.values(), strict=True):
        assert [line.split()[:4] for line in cutouts[1:]] == [line.split()[:4] for line in psfs[1:]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sdss"], "archive 'sdss' is not known; known are sdss-frame"),
        (["sdss-frame", "--bands", "r"], "needs 'run'; given are band. Fields are columns of --targets"),
        (["skyserver-jpeg", "--field", "scale"], "--field 'scale' is not key=value"),
        (["legacy-fits", "--targets", "none.csv"], "none.csv: no such file"),
        (["hsc-cutout-bulk"], "needs --targets with ra and dec, and --bands"),
        (["tng-image", "--field", "simulation=TNG100-1", "--field", "snapshot=99", "--field", "subhalo=1"],
         "set TNG_API_KEY in the environment"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(server, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.delenv("TNG_API_KEY", raising=False)
    assert run(server, *words, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_archives_are_listed(capsys):
    assert main(["fetch", "list"]) == 0
    assert "eagle-image      http://virgodb" in capsys.readouterr().out


def test_key_of_the_environment_is_sent_and_never_kept(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TNG_API_KEY", "secret-key")
    server.answer = lambda path: b"SIMPLE  = "
    words = [f"--field={pair}" for pair in ("simulation=TNG100-1", "snapshot=99", "subhalo=1")]
    assert run(server, "tng-image", *words, "--out", tmp_path) == 0
    assert server.headers[0]["api-key"] == "secret-key"
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret-key" not in kept
    assert "secret-key" not in caplog.text
