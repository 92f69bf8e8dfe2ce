"""Download files whole or not at all: resumed, checked, retried with growing pauses, a few at a time."""

import base64
import hashlib
import logging
import os
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["FORM_BOUNDARY", "FetchError", "Item", "Report", "Transfer", "fetch"]

log = logging.getLogger(__name__)

FORM_BOUNDARY = "simcompare-list"
_BLOCK = 256 * 1024
_CREDENTIALS = ("Authorization", "Api-key")
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_SIGNATURES = {
    "fits": (b"SIMPLE  =", b"\x1f\x8b", b"BZh"),
    "bz2": (b"BZh",),
    "gz": (b"\x1f\x8b",),
    "jpeg": (b"\xff\xd8\xff",),
    "hdf5": (b"\x89HDF\r\n\x1a\n",),
    "png": (b"\x89PNG",),
    "tar": (b"",),  # looked into, see `_verify`
    "text": (b"",),
}


class FetchError(OSError):
    """A file that could not be had; its text says which, why and what to do, never a credential."""


@dataclass(frozen=True)
class Item:
    """One file to fetch.

    Parameters
    ----------
    url : str
        http or https.
    path : str
        Where to put it, below the folder of the fetch.
    content : str
        What its first bytes must be: fits, bz2, gz, jpeg, png, hdf5, tar, text.
    size : int, optional
        Bytes, where the archive tells.
    sha256 : str, optional
        Where the archive tells.
    estimate : int
        Bytes to reckon with when the size is not known.
    body : bytes, optional
        Sent by POST, a web form with `FORM_BOUNDARY` between its parts, for lists of positions.
    """

    url: str
    path: str
    content: str = "fits"
    size: int | None = None
    sha256: str | None = None
    estimate: int = 0
    body: bytes | None = None


@dataclass(frozen=True)
class Transfer:
    """How to talk to a server.

    Parameters
    ----------
    workers : int
        Files at a time.
    rate : float
        Requests begun per second, over all workers.
    retries : int
        Further tries of a file after the first.
    pause : float
        Before the first further try [s]; doubled for each one after.
    timeout : float
        Without a byte arriving [s].
    headers : callable, optional
        Gives the headers that carry a credential, at the time of the request; they go to the host of the
        first request only, never to where it redirects.
    """

    workers: int = 4
    rate: float = 4.0
    retries: int = 4
    pause: float = 1.0
    timeout: float = 60.0
    headers: Callable[[], Mapping[str, str]] | None = None


@dataclass(frozen=True)
class Report:
    """What a fetch did.

    Parameters
    ----------
    fetched, present : list of Path
        Written now, and there already.
    failed : list of dict
        path and reason.
    bytes : int
        Received.
    """

    fetched: list[Path] = field(default_factory=list)
    present: list[Path] = field(default_factory=list)
    failed: list[dict] = field(default_factory=list)
    bytes: int = 0


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow redirects; credentials go along only to the host that they were meant for."""

    def redirect_request(self, request, file, code, message, headers, url):
        """Make the next request."""
        following = super().redirect_request(request, file, code, message, headers, url)
        if following is not None and _host(url) == _host(request.full_url):
            following.unredirected_hdrs.update(
                {name: value for name, value in request.unredirected_hdrs.items() if name in _CREDENTIALS}
            )
        return following


def _host(url: str) -> tuple[str, str]:
    """Scheme and host with port: what a credential belongs to."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


_opener = urllib.request.build_opener(_SameHost)


class _Pace:
    """At most so many requests a second, over all threads."""

    def __init__(self, rate: float) -> None:
        self.interval, self.next, self.lock = 1 / rate, 0.0, threading.Lock()

    def wait(self) -> None:
        """Sleep until it is this thread's turn."""
        with self.lock:
            start = max(self.next, time.monotonic())
            self.next = start + self.interval
        time.sleep(max(0.0, start - time.monotonic()))


def basic_authorization(user: str, password: str) -> dict[str, str]:
    """Header of HTTP basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def fetch(
    items: Sequence[Item],
    folder: str | os.PathLike,
    transfer: Transfer | None = None,
    dry_run: bool = False,
    report_every: int = 100,
) -> Report:
    """Fetch files that are not there yet.

    A file comes under ``<name>.part`` and takes its name when it is whole: of the announced length, with the
    right first bytes, and the right hash where one is known. A broken transfer goes on where it stopped if
    the server can, now or at the next call.

    Parameters
    ----------
    items : sequence of Item
        The same path twice is fetched once.
    folder : path-like
        Made when missing.
    transfer : Transfer, optional
        Politeness and credentials.
    dry_run : bool
        Only reckon: the log tells how many files and bytes are missing.
    report_every : int
        Files between two lines of the log.

    Returns
    -------
    Report
        Files that failed stand in it; other files go on.

    Raises
    ------
    FetchError
        When the server refuses the credentials: nothing more is asked of it.
    """
    folder, transfer, report = Path(folder), transfer or Transfer(), Report()
    wanted = list({item.path: item for item in items}.values())
    missing = []
    for item in wanted:
        _check_inside(folder, item)
        if (folder / item.path).is_file():
            report.present.append(folder / item.path)
        else:
            missing.append(item)
    size = sum(item.size or item.estimate for item in missing)
    log.info("%d files to fetch, about %.3g GB; %d are there", len(missing), size / 1e9, len(report.present))
    if dry_run:
        return report
    pace, stop = _Pace(transfer.rate), threading.Event()
    received = 0
    with ThreadPoolExecutor(transfer.workers) as pool:
        futures = {
            pool.submit(_fetch_one, item, folder / item.path, transfer, pace, stop): item for item in missing
        }
        for number, future in enumerate(as_completed(futures), start=1):
            item = futures[future]
            try:
                received += future.result()
                report.fetched.append(folder / item.path)
            except _RefusedError as error:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise FetchError(str(error)) from None
            except FetchError as error:
                report.failed.append({"path": item.path, "reason": str(error)})
                log.warning("%s", error)
            if number % report_every == 0 or number == len(missing):
                log.info("%d of %d files, %d failed", number, len(missing), len(report.failed))
    return Report(report.fetched, report.present, report.failed, received)


class _RefusedError(FetchError):
    """Credentials that the server does not take."""


def _check_inside(folder: Path, item: Item) -> None:
    """Refuse a path that leads out of the folder, and what is not http."""
    if not (folder / item.path).resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{item.path}: leads out of {folder}.")
    if urlsplit(item.url).scheme not in ("http", "https"):
        raise ValueError(f"{_plain(item.url)}: only http and https are fetched.")


def _plain(url: str) -> str:
    """URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _fetch_one(item: Item, path: Path, transfer: Transfer, pace: _Pace, stop: threading.Event) -> int:
    """Fetch one file with its retries; bytes received."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    problem = ""
    for attempt in range(transfer.retries + 1):
        if stop.is_set():
            raise FetchError(f"{item.path}: not tried, the fetch was stopped.")
        pace.wait()
        wait = transfer.pause * 2**attempt
        try:
            received = _receive(item, partial, transfer)
            _verify(item, partial)
            with open(partial, "rb") as written:
                os.fsync(written.fileno())
            os.replace(partial, path)
            return received
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"HTTP {error.code} {error.reason}"
            if error.code in (401, 403):
                raise _RefusedError(
                    f"{_plain(item.url)}: {problem}; account or key in the environment are wrong or expired."
                ) from None
            if error.code == 416:
                partial.unlink(missing_ok=True)
            elif error.code not in _RETRIED:
                break
            wait = max(wait, _retry_after(error.headers.get("Retry-After")))
        except _WrongContentError as error:
            problem = str(error)
            partial.unlink(missing_ok=True)
        except (OSError, TimeoutError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt < transfer.retries:
            stop.wait(wait)
    raise FetchError(f"{item.path}: {problem} from {_plain(item.url)}, after {attempt + 1} tries.")


class _WrongContentError(OSError):
    """A body that is not what was asked for."""


def _retry_after(text: str | None) -> float:
    """Seconds that the server asks to wait, at most ten minutes."""
    return min(float(text), 600.0) if text and text.isdigit() else 0.0


def _receive(item: Item, partial: Path, transfer: Transfer) -> int:
    """Append to the partial file what is missing of it; bytes received."""
    there = partial.stat().st_size if partial.is_file() and item.body is None else 0
    request = urllib.request.Request(item.url, data=item.body, headers={"User-Agent": "simcompare"})
    if item.body is not None:
        request.add_header("Content-Type", f"multipart/form-data; boundary={FORM_BOUNDARY}")
    if there:
        request.add_header("Range", f"bytes={there}-")
    for name, value in (transfer.headers() if transfer.headers else {}).items():
        request.add_unredirected_header(name, value)
    with _opener.open(request, timeout=transfer.timeout) as response:
        continues = response.status == 206
        announced = response.headers.get("Content-Length")
        expected = int(announced) + (there if continues else 0) if announced else None
        received = 0
        with open(partial, "ab" if continues else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                received += len(block)
    size = partial.stat().st_size
    if expected is not None and size < expected:
        raise OSError(f"truncated: {size} of {expected} bytes")
    return received


def _has_members(path: Path) -> bool:
    """Whether a file is a tar and holds a file; a server that has nothing sends blocks of zeros."""
    try:
        with tarfile.open(path) as archive:
            return archive.next() is not None
    except tarfile.TarError:
        return False


def _verify(item: Item, partial: Path) -> None:
    """Size, first bytes and hash."""
    size = partial.stat().st_size
    if size == 0 or (item.size is not None and size != item.size):
        raise _WrongContentError(f"{size} bytes instead of {item.size or 'some'}")
    with open(partial, "rb") as file:
        first = file.read(16)
        if not first.startswith(_SIGNATURES[item.content]):
            raise _WrongContentError(f"no {item.content} file, it begins with {first[:8]!r}")
        if item.content == "tar" and not _has_members(partial):
            raise _WrongContentError("no tar file with anything in it; the places may not be covered")
        if item.content == "text" and first.lstrip()[:1] == b"<":
            raise _WrongContentError("a web page instead of a table")
        file.seek(0)
        if item.sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != item.sha256:
            raise _WrongContentError("its SHA-256 is not the announced one")
