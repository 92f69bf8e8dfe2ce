"""Fetching from a real server on loopback that serves real files, and that also misbehaves."""

import contextlib
import errno
import gzip
import io
import json
import logging
import os
import socket
import struct
import tarfile
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits

from mocks.survey_files.sdss_frames import open_frame
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.archives import (
    ARCHIVES,
    FetchError,
    Item,
    Transfer,
    archive_url,
    fetch,
    fetch_items,
    transfer,
)
from simcompare.archives.services import hsc_bulk_list, sdss_galaxy_query, transfer_for
from simcompare.archives.transfer import basic_authorization
from simcompare.archives.verification import problem_with

QUICK = Transfer(workers=2, rate=1000, retries=3, pause=0.01, timeout=2)
FITS = (b"SIMPLE  =                    T" + bytes(range(256)) * 400).ljust(36 * 2880, b"\0")


MISBEHAVIOUR = ("garbage", "nothing", "reset", "chunks", "no-length", "from-0", "too-late", "no-range")


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; the first words of a path name what goes wrong, how often in its digits."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(body)
        self.server.requests.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()}, 0)
        )
        self._send(b"\0" * 10240 if self.path.startswith("/nowhere") else tar_of({"list.txt": body}))

    def do_GET(self):
        server, parts = self.server, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.requests.append((self.path, headers, time.monotonic()))
        seen = server.seen[self.path] = server.seen[self.path] + 1
        kind = parts.path.split("/")[1]
        if kind in ("404", "403", "401"):
            return self._error(int(kind))
        if kind in ("500", "503", "429") and seen <= 2:
            return self._error(int(kind))
        if kind == "redirect":
            return self._error(302, Location="/files" + parts.path.removeprefix("/redirect"))
        if kind == "elsewhere":
            return self._error(302, Location=server.elsewhere + "/files/a.fits")
        if kind == "html":
            return self._send(b"<html>please log in</html>")
        if kind == "truncated" and seen <= 2:
            whole = server.files.get(parts.path, FITS)
            return self._send(whole, cut=len(FITS) // 3)
        if kind == "slow" and seen <= 1:
            time.sleep(3)
        if kind == "account" and "Authorization" not in self.headers and "Api-key" not in self.headers:
            return self._error(401)
        if kind in ("endless", "drip"):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nSIMPLE  =")
                for _ in range(10_000):
                    self.wfile.write(bytes(100_000 if kind == "endless" else 1))
                    time.sleep(0.0 if kind == "endless" else 0.05)
            return None
        if kind == "packed":
            return self._error(200, body=gzip.compress(FITS), **{"Content-Encoding": "gzip"})
        if kind in MISBEHAVIOUR:
            return self._misbehave(kind, seen)
        return self._send(server.files.get(parts.path, FITS))

    def _misbehave(self, kind, seen):
        """Answer as no server should; those that can be outlasted, twice."""
        self.close_connection = True
        if seen > 2:
            return self._send(FITS)
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        with contextlib.suppress(OSError):
            if kind == "garbage":
                self.wfile.write(b"garbage\r\n\r\n")
            elif kind == "nothing":
                self.wfile.write(b"")
            elif kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif kind == "chunks":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n" % len(FITS) + FITS[:50000])
            elif kind == "no-length":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + FITS[:60000])
            else:  # the first answer breaks off, the part that is asked for then is another one
                first = {"from-0": 0, "too-late": start + 10, "no-range": start}[kind]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(FITS) - first))
                if start and kind != "no-range":
                    self.send_header("Content-Range", f"bytes {first}-{len(FITS) - 1}/{len(FITS)}")
                self.end_headers()
                self.wfile.write(FITS[first:] if start else FITS[:40000])

    def _error(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, data, cut=None):
        start = 0
        if "Range" in self.headers and self.server.resumes:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        for name, value in self.server.marks[0].items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data[start : None if cut is None else start + cut])
        if cut is not None:
            self.close_connection = True


def start_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.files, server.requests, server.posted, server.starts = {}, [], [], []
    server.marks = [{}]
    server.seen, server.resumes, server.elsewhere = Counter(), True, ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.base = f"http://127.0.0.1:{server.server_port}"
    return server


@pytest.fixture
def server():
    made = start_server()
    yield made
    made.shutdown()
    made.server_close()


def item(server, path, **changes):
    return Item(server.base + path, path.strip("/").replace("/", "-"), **changes)


def test_real_frame_and_psfield_come_through_the_archive_s_addresses(server, shared_data, tmp_path):
    folder = shared_data / "observed" / "sdss-frames"
    field = {"run": 5112, "camcol": 4, "field": 345, "band": "r"}
    psf_field = {"run": 3366, "camcol": 3, "field": 110}
    frame = "/dr17/eboss/photoObj/frames/301/5112/4/frame-r-005112-4-0345.fits.bz2"
    psf = "/dr17/eboss/photo/redux/301/3366/objcs/3/psField-003366-3-0110.fit"
    server.files[frame] = (folder / "frame-r-005112-4-0345.fits.bz2").read_bytes()
    server.files[psf] = (folder / "psField-003366-3-0110.fit.gz").read_bytes()
    items = fetch_items("sdss-frame", [field], server.base) + fetch_items(
        "sdss-psfield", [psf_field], server.base
    )
    report = fetch(items, tmp_path, QUICK)
    assert (len(report.fetched), report.failed) == (2, [])
    assert open_frame(tmp_path / "frame-r-005112-4-0345.fits.bz2").image.shape == (1489, 2048)
    assert read_psfield(tmp_path / "psField-003366-3-0110.fit", "r", 744, 1024).sum() == pytest.approx(1)
    again = fetch(items, tmp_path, QUICK)
    assert (len(again.present), again.fetched) == (2, [])
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", ["500", "503", "truncated", "redirect", "slow"])
def test_trouble_that_passes_is_outlasted(server, tmp_path, kind):
    report = fetch([item(server, f"/{kind}/a.fits")], tmp_path, QUICK)
    assert report.failed == []
    assert report.fetched[0].read_bytes() == FITS
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_misbehaviour_is_outlasted_and_the_file_is_right(server, tmp_path, kind):
    report = fetch([item(server, f"/{kind}/a.fits"), item(server, "/files/b.fits")], tmp_path, QUICK)
    assert report.failed == []
    assert [path.read_bytes() == FITS for path in report.fetched] == [True, True]
    assert {path.name for path in tmp_path.iterdir()} == {"files-b.fits", f"{kind}-a.fits"}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_lasting_misbehaviour_is_one_failure_and_others_go_on(server, tmp_path, kind):
    hasty = replace(QUICK, retries=1)
    report = fetch([item(server, f"/{kind}/a.fits"), item(server, "/files/b.fits")], tmp_path, hasty)
    if kind == "from-0":  # the second answer is the whole file
        assert report.failed == []
    else:
        assert [path.name for path in report.fetched] == ["files-b.fits"]
        assert "after 2 tries" in report.failed[0]["reason"]
        assert not (tmp_path / f"{kind}-a.fits").exists()


def test_what_a_server_compresses_on_the_way_is_unpacked(server, tmp_path):
    """But not a file that is compressed itself, of which servers say the same."""
    items = [item(server, "/packed/a.fits"), item(server, "/packed/b.fits.gz")]
    report = fetch(items, tmp_path, QUICK)
    assert report.failed == []
    assert (tmp_path / "packed-a.fits").read_bytes() == FITS
    assert gzip.decompress((tmp_path / "packed-b.fits.gz").read_bytes()) == FITS


def test_cut_tar_is_not_taken_for_whole(tmp_path):
    whole, path = tar_of({"1-a.fits": FITS, "2-b.fits": FITS}), tmp_path / "a.tar"
    path.write_bytes(whole)
    assert problem_with(path, "tar") == ""
    for cut in (len(FITS) // 2, len(FITS) + 1024, len(FITS) + 5000):
        path.write_bytes(whole[:cut])
        assert "no tar file" in problem_with(path, "tar")


def test_two_files_of_one_name_are_refused(server, tmp_path):
    two = [item(server, "/files/a.fits"), replace(item(server, "/files/b.fits"), path="Files-A.fits")]
    with pytest.raises(ValueError, match=r"two files, of /files/a\.fits and /files/b\.fits; give each row"):
        fetch(two, tmp_path, QUICK)
    assert server.requests == []
    assert len(fetch([two[0], two[0]], tmp_path, QUICK).fetched) == 1


def test_full_disk_ends_the_fetch_in_one_line(server, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetchError, match="the disk is full: free some space"):
        fetch([item(server, f"/files/{i}.fits") for i in range(20)], tmp_path, QUICK)
    assert len(server.requests) < 10  # of 20: those on their way


def test_server_that_asks_to_wait_is_obeyed(server, tmp_path):
    fetch([item(server, "/429/a.fits")], tmp_path, QUICK)
    times = [when for _, _, when in server.requests]
    assert len(times) == 3
    assert times[1] - times[0] > 0.9


def test_truncated_file_goes_on_where_it_stopped(server, tmp_path):
    fetch([item(server, "/truncated/a.fits")], tmp_path, QUICK)
    assert server.starts[0] == 0
    assert server.starts[1] == len(FITS) // 3
    other = tmp_path / "other"
    server.resumes = False
    report = fetch([item(server, "/truncated/b.fits")], other, QUICK)
    assert report.fetched[0].read_bytes() == FITS


def test_interrupted_fetch_resumes_at_the_next_call(server, tmp_path):
    hasty, here = replace(QUICK, retries=0), [item(server, "/truncated/a.fits")]
    assert fetch(here, tmp_path, hasty).failed
    assert {path.name for path in tmp_path.iterdir()} == {
        "truncated-a.fits.part",
        "truncated-a.fits.part.json",
    }
    assert fetch(here, tmp_path, hasty).failed
    report = fetch(here, tmp_path, hasty)
    assert report.bytes == len(FITS) - 2 * (len(FITS) // 3)
    assert report.fetched[0].read_bytes() == FITS
    assert [path.name for path in tmp_path.iterdir()] == ["truncated-a.fits"]


@pytest.mark.parametrize("note", [None, "", "[]", "{}"])
def test_part_of_unknown_edition_is_fetched_anew(server, tmp_path, note):
    (tmp_path / "files-a.fits.part").write_bytes(b"another file"[:100])
    if note is not None:
        (tmp_path / "files-a.fits.part.json").write_text(note)
    report = fetch([item(server, "/files/a.fits")], tmp_path, QUICK)
    assert report.fetched[0].read_bytes() == FITS
    assert [path.name for path in tmp_path.iterdir()] == ["files-a.fits"]


@pytest.mark.parametrize("linked", ["files-a.fits.part", "files-a.fits.part.json"])
@pytest.mark.parametrize("begun", [False, True])
def test_nothing_is_written_through_a_link_in_the_folder(server, tmp_path, linked, begun):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    folder.mkdir()
    note = {"Length": str(len(FITS))}
    (folder / "files-a.fits.part.json").write_text(json.dumps(note if begun else {}))
    (folder / "files-a.fits.part").write_bytes(FITS[:100])
    content = (folder / linked).read_bytes()
    outside.write_bytes(content)
    (folder / linked).unlink()
    (folder / linked).symlink_to(outside)
    try:
        report = fetch([item(server, "/files/a.fits")], folder, QUICK)
        assert report.fetched[0].read_bytes() == FITS
    except FetchError as error:
        assert "symbolic link" in str(error)  # noqa: PT017  the one or the other
    assert outside.read_bytes() == content


def test_endless_and_dripping_answers_are_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_LARGEST", 10**6)
    monkeypatch.setattr(transfer, "_SLACK", 10**6)
    monkeypatch.setattr(transfer, "_LONGEST_WAIT", 0.3)
    report = fetch([item(server, "/endless/a.fits"), item(server, "/drip/a.fits")], tmp_path, QUICK)
    reasons = sorted(each["reason"] for each in report.failed)
    assert "bytes in 0 s, too few to wait for the rest" in reasons[0]
    assert "more than the 0.001 GB that it may have came" in reasons[1]
    known = fetch([item(server, "/endless/b.fits", size=len(FITS))], tmp_path, QUICK)
    assert "more than the 0.0011 GB" in known.failed[0]["reason"]


CHANGED = FITS[:30] + bytes(reversed(range(256))) * 400
CHANGED = {"longer": CHANGED.ljust(40 * 2880, b"\0"), "same-length": CHANGED.ljust(36 * 2880, b"\0")}


@pytest.mark.parametrize(
    ("change", "marks"),
    [
        ("longer", {}),
        ("longer", {"ETag": '"{}"'}),
        ("same-length", {"ETag": '"{}"'}),
        ("same-length", {"Last-Modified": "Tue, 0{} Dec 2026 00:00:00 GMT"}),
    ],
)
def test_file_that_changed_between_its_parts_is_fetched_anew(server, tmp_path, change, marks):
    server.marks = [{name: text.format(i) for name, text in marks.items()} for i in (1, 2)]
    hasty, here = replace(QUICK, retries=0), [item(server, "/truncated/a.fits")]
    assert fetch(here, tmp_path, hasty).failed  # a third has come
    server.files["/truncated/a.fits"] = CHANGED[change]
    server.marks.reverse()
    report = fetch(here, tmp_path, hasty)
    assert "has changed on the server" in report.failed[0]["reason"]
    assert list(tmp_path.iterdir()) == []
    assert fetch(here, tmp_path, hasty).fetched[0].read_bytes() == CHANGED[change]


@pytest.mark.parametrize(
    ("path", "changes", "reason"),
    [
        ("/404/a.fits", {}, "HTTP 404"),
        ("/html/a.fits", {}, "no fits file, it begins with b'<html>"),
        ("/html/a.csv", {"content": "text"}, "a web page instead of a table"),
        ("/nowhere/a.tar", {"content": "tar", "body": b"list"}, "no tar file with anything in it"),
        ("/files/a.tar", {"content": "tar"}, "no tar file with anything in it"),
        ("/files/a.fits", {"size": 10}, "bytes instead of 10"),
        ("/files/a.fits", {"sha256": "0" * 64}, "SHA-256 is not the announced one"),
    ],
)
def test_lasting_trouble_is_counted_and_others_go_on(server, tmp_path, path, changes, reason):
    report = fetch([item(server, path, **changes), item(server, "/files/good.fits")], tmp_path, QUICK)
    assert [path.name for path in report.fetched] == ["files-good.fits"]
    assert reason in report.failed[0]["reason"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files-good.fits"]


def test_missing_file_is_asked_for_once(server, tmp_path):
    fetch([item(server, "/404/a.fits")], tmp_path, QUICK)
    assert len(server.requests) == 1


def test_nobody_listening_is_a_failure_by_name(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    report = fetch([Item(f"http://127.0.0.1:{port}/a.fits", "a.fits")], tmp_path, QUICK)
    assert "a.fits" in report.failed[0]["reason"]
    assert "after 4 tries" in report.failed[0]["reason"]


@pytest.mark.parametrize("code", ["401", "403"])
def test_expired_credentials_stop_everything_and_are_not_shown(server, tmp_path, caplog, code):
    transfer = Transfer(rate=1000, pause=0.01, workers=1, headers=lambda: basic_authorization("me", "secret"))
    items = [item(server, f"/{code}/{i}.fits") for i in range(20)]
    with caplog.at_level(logging.DEBUG), pytest.raises(FetchError, match="wrong or expired") as error:
        fetch(items, tmp_path, transfer)
    assert len(server.requests) < 5
    assert "secret" not in str(error.value) + caplog.text
    assert "bWU6c2VjcmV0" not in str(error.value) + caplog.text


def test_credentials_come_from_the_environment_alone(server, tmp_path, monkeypatch):
    for variable in (
        "SSP_PDR_USR",
        "SSP_PDR_PWD",
        "HSC_SSP_CAS_USERNAME",
        "HSC_SSP_CAS_PASSWORD",
        "TNG_API_KEY",
    ):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match="SSP_PDR_USR and SSP_PDR_PWD or HSC_SSP_CAS_USERNAME"):
        transfer_for("hsc-cutout").headers()
    monkeypatch.setenv("SSP_PDR_USR", "me")
    monkeypatch.setenv("SSP_PDR_PWD", "secret")
    monkeypatch.setenv("TNG_API_KEY", "key")
    assert fetch([item(server, "/account/a.fits")], tmp_path, transfer_for("hsc-cutout", QUICK)).failed == []
    assert server.requests[-1][1]["authorization"].startswith("Basic ")
    assert fetch([item(server, "/account/b.fits")], tmp_path, transfer_for("tng-cutout", QUICK)).failed == []
    assert server.requests[-1][1]["api-key"] == "key"
    assert transfer_for("sdss-frame", QUICK).headers is None


def test_credentials_do_not_follow_a_redirect_to_another_host(server, tmp_path):
    other = start_server()
    try:
        server.elsewhere = other.base
        transfer = Transfer(rate=1000, headers=lambda: {"API-Key": "key"})
        report = fetch(
            [item(server, "/elsewhere/a.fits"), item(server, "/redirect/b.fits")], tmp_path, transfer
        )
        assert report.failed == []
        assert "api-key" not in other.requests[0][1]
        kept = [headers for path, headers, _ in server.requests if path == "/files/b.fits"]
        assert kept[0]["api-key"] == "key"
    finally:
        other.shutdown()
        other.server_close()


def test_rate_is_kept_over_all_workers(server, tmp_path):
    items = [item(server, f"/files/{i}.fits") for i in range(6)]
    fetch(items, tmp_path, Transfer(workers=6, rate=20))
    times = sorted(when for _, _, when in server.requests)
    assert times[-1] - times[0] > 4 / 20


def test_dry_run_reckons_and_asks_nothing(server, tmp_path, caplog):
    items = fetch_items(
        "sdss-frame", [{"run": 1, "camcol": 1, "field": i, "band": "r"} for i in range(100)], server.base
    )
    with caplog.at_level(logging.INFO):
        report = fetch(items, tmp_path, QUICK, dry_run=True)
    assert "100 files to fetch, about 0.33 GB" in caplog.text
    assert (server.requests, report.fetched) == ([], [])


def test_paths_stay_in_the_folder_and_addresses_are_http(tmp_path):
    with pytest.raises(ValueError, match="leads out of"):
        fetch([Item("http://127.0.0.1/a", "../a.fits")], tmp_path)
    with pytest.raises(ValueError, match="only http and https"):
        fetch([Item("file:///etc/passwd", "a.fits")], tmp_path)


EXAMPLES = {
    "sdss-frame": {"run": 4510, "camcol": 4, "field": 30, "band": "r"},
    "sdss-psfield": {"run": 4510, "camcol": 4, "field": 30},
    "sdss-catalogue": {"sql": "SELECT TOP 1 ra FROM PhotoObj"},
    "skyserver-jpeg": {"ra": 10.5, "dec": -1.0, "name": "a"},
    "hsc-cutout": {"ra": 150.1, "dec": 2.2, "band": "i", "name": "a"},
    "hsc-cutout-bulk": {"name": "a", "list": hsc_bulk_list([{"ra": 150.1, "dec": 2.2, "band": "i"}])},
    "hsc-psf-bulk": {"name": "a", "list": hsc_bulk_list([{"ra": 1, "dec": 2, "band": "i"}], psf=True)},
    "hsc-psf": {"ra": 150.1, "dec": 2.2, "band": "i", "name": "a"},
    "legacy-fits": {"ra": 150.1, "dec": 2.2, "name": "a"},
    "legacy-psf": {"ra": 150.1, "dec": 2.2, "name": "a"},
    "tng-cutout": {"simulation": "TNG100-1", "snapshot": 99, "subhalo": 5},
    "tng-subhalos": {"simulation": "TNG100-1", "snapshot": 99},
    "camels-snapshot": {"number": 0, "snapshot": 90},
    "camels-groups": {"number": 0, "snapshot": 90},
    "tng-groups": {"simulation": "TNG100-1", "snapshot": 99},
    "tng-image": {"simulation": "TNG100-1", "snapshot": 99, "subhalo": 5},
    "illustris-image": {"simulation": "Illustris-1", "snapshot": 135, "subhalo": 5},
    "eagle-image": {"galaxy_id": 16396},
}
BODIES = {
    "fits": FITS,
    "bz2": b"BZh91AY",
    "jpeg": b"\xff\xd8\xff\xe0",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "png": b"\x89PNG\r\n",
    "text": b"ra",
    "json": b"{}",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_archive_has_an_address_and_fetches(server, tmp_path, name):
    fields = EXAMPLES[name]
    url = archive_url(name, **fields)
    assert url.startswith(ARCHIVES[name].base + "/")
    wanted = fetch_items(name, [fields], server.base)
    server.files[urlsplit(wanted[0].url).path] = BODIES.get(ARCHIVES[name].content, b"")
    report = fetch(wanted, tmp_path, QUICK)
    assert report.failed == []
    with pytest.raises(ValueError, match="needs"):
        fetch_items(name, [{}])


def test_queries_are_spelled_as_the_servers_want(server):
    query = parse_qs(urlsplit(archive_url("hsc-cutout", **EXAMPLES["hsc-cutout"])).query)
    assert query["filter"] == ["HSC-I"]
    assert (query["sw"], query["rerun"], query["variance"]) == (["15arcsec"], ["pdr3_wide"], ["on"])
    other = archive_url("sdss-frame", base="http://mirror/sdss/", release="dr16", **EXAMPLES["sdss-frame"])
    assert other.startswith("http://mirror/sdss/dr16/eboss/photoObj/frames/301/4510/4/frame-r-004510-4-0030")
    assert "s.z BETWEEN 0.03 AND 0.055" in sdss_galaxy_query()
    cut_outs, psfs = (hsc_bulk_list([{"ra": 1, "dec": 2, "band": "r"}], psf=psf) for psf in (False, True))
    assert cut_outs.splitlines()[1] == (
        "pdr3_wide HSC-R 1.000000 2.000000 15arcsec 15arcsec true true true coadd"
    )
    assert psfs.splitlines() == [
        "#? rerun filter ra dec centered type",
        "pdr3_wide HSC-R 1.000000 2.000000 true coadd",
    ]
    with pytest.raises(ValueError, match="archive 'sdss' is unknown; choose from sdss-frame"):
        archive_url("sdss")


@pytest.mark.parametrize("n_extensions", [0, 1])
def test_fits_of_whole_blocks_that_lacks_some_is_cut_short(n_extensions, tmp_path):
    """A server that sends the length of what it has cut off itself."""
    parts = [fits.PrimaryHDU(np.ones((90, 90), "f4"))]
    parts += [fits.ImageHDU(np.ones((90, 90), "f4")) for _ in range(n_extensions)]
    path = tmp_path / "x.fits"
    fits.HDUList(parts).writeto(path)
    whole = path.read_bytes()
    assert problem_with(path, "fits") == ""
    path.write_bytes(whole[:-2880])
    announced = f"cut short: {len(whole) - 2880} bytes, where its FITS headers announce {len(whole)}"
    assert problem_with(path, "fits") == announced
