"""Download files whole or not at all: resumed, checked, retried with growing pauses, a few at a time."""

import base64
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import tenacity

from simcompare.archives.unfinished import Unfinished, edition_of, is_another
from simcompare.archives.verification import problem_with
from simcompare.runs.files import explained

__all__ = ["FORM_BOUNDARY", "FetchError", "Item", "Report", "Transfer", "fetch"]

log = logging.getLogger(__name__)

FORM_BOUNDARY = "simcompare-list"
_CREDENTIALS = ("Authorization", "API-Key")
_LONGEST_WAIT = 600.0  # s, however long a server asks to wait
_SLOWEST = 100.0  # bytes per second, from then on
_LARGEST, _SLACK = 2**35, 2**26  # bytes of a file of unknown size; beyond the announced one
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request, with its query


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
    the server can, now or at the next call; ``<name>.part.json`` keeps length and date that the server stated
    first, and a file that has changed there since is fetched anew.

    Parameters
    ----------
    items : sequence of Item
        The same file twice is fetched once.
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
        When the server refuses the credentials, or the disk is full: nothing more is asked for.
    ValueError
        For a path that leads out of the folder, or one path for two addresses.
    """
    folder, transfer, report = Path(folder), transfer or Transfer(), Report()
    missing = []
    for item in _one_for_each_path(items):
        _check_inside(folder, item)
        if (folder / item.path).is_file():
            report.present.append(folder / item.path)
        else:
            missing.append(item)
    size = sum(item.size or item.estimate for item in missing)
    log.info(
        "%d files to fetch, about %.3g GB; %d exist already", len(missing), size / 1e9, len(report.present)
    )
    if dry_run:
        return report
    pace, stop, received = _Pace(transfer.rate), threading.Event(), 0
    timeout = httpx.Timeout(transfer.timeout, pool=None)
    hooks = {"request": [_keep_credentials_home]}
    with (
        httpx.Client(timeout=timeout, follow_redirects=True, event_hooks=hooks) as client,
        ThreadPoolExecutor(transfer.workers) as pool,
    ):
        work = partial(_fetch_one, client=client, transfer=transfer, pace=pace, stop=stop)
        futures = {pool.submit(work, item, folder / item.path): item for item in missing}
        for number, future in enumerate(as_completed(futures), start=1):
            item = futures[future]
            try:
                received += future.result()
                report.fetched.append(folder / item.path)
            except _FinalError as error:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise FetchError(str(error)) from None
            except FetchError as error:
                report.failed.append({"path": item.path, "reason": str(error)})
                log.warning("%s", error)
            if number % report_every == 0 or number == len(missing):
                log.info("%d of %d files, %d failed", number, len(missing), len(report.failed))
    return Report(report.fetched, report.present, report.failed, received)


class _PassingError(FetchError):
    """Trouble that may be over at the next try, after `wait` seconds."""

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        super().__init__(problem)
        self.wait = wait


class _FinalError(FetchError):
    """Trouble that all other files would have, too: wrong credentials, a full disk."""


def _one_for_each_path(items: Sequence[Item]) -> list[Item]:
    """Leave out what is asked for twice; refuse two files that would lie at one path."""
    by_path: dict[str, Item] = {}
    for item in items:
        other = by_path.setdefault(item.path.lower(), item)
        if (other.url, other.body) != (item.url, item.body):
            raise ValueError(
                f"{item.path} would be two files, of {_asked(other)} and {_asked(item)}; give each row of "
                "the targets a name of its own, in letters that differ by more than their case."
            )
    return list(by_path.values())


def _asked(item: Item) -> str:
    """Say what a server is asked for."""
    return urlsplit(item.url)._replace(scheme="", netloc="").geturl()


def _check_inside(folder: Path, item: Item) -> None:
    """Refuse a path that leads out of the folder, and what is not http."""
    if not Path(os.path.realpath(folder / item.path)).is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"{item.path}: leads out of {folder}.")
    if urlsplit(item.url).scheme not in ("http", "https"):
        raise ValueError(f"{_plain(item.url)}: only http and https are fetched.")


def _plain(url: str) -> str:
    """URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _keep_credentials_home(request: httpx.Request) -> None:
    """Take the credentials off a request that a redirect sends to another host."""
    if _home(request.url) != request.extensions["home"]:
        for name in _CREDENTIALS:
            request.headers.pop(name, None)


def _home(url: httpx.URL) -> tuple:
    """Scheme, host and port: what a credential belongs to."""
    return url.scheme, url.host, url.port


def _fetch_one(
    item: Item, path: Path, *, client: httpx.Client, transfer: Transfer, pace: _Pace, stop: threading.Event
) -> int:
    """Fetch one file with its retries; bytes received."""
    tries = tenacity.Retrying(
        before=lambda _: pace.wait(),
        retry=tenacity.retry_if_exception_type(_PassingError),
        stop=tenacity.stop_after_attempt(transfer.retries + 1) | tenacity.stop_when_event_set(stop),
        wait=lambda state: max(
            transfer.pause * 2 ** (state.attempt_number - 1), state.outcome.exception().wait
        ),
        sleep=tenacity.sleep_using_event(stop),
        reraise=True,
    )
    try:
        return tries(_try_once, item, path, client, transfer)
    except _FinalError:
        raise
    except FetchError as error:
        count = tries.statistics["attempt_number"]
        raise FetchError(f"{item.path}: {error} from {_plain(item.url)}, after {count} tries.") from None


def _try_once(item: Item, path: Path, client: httpx.Client, transfer: Transfer) -> int:
    """Fetch one file, or what is missing of it; bytes received."""
    unfinished = Unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        received = _receive(item, unfinished, client, transfer)
        if problem := problem_with(unfinished.part, item.content, item.size, item.sha256):
            unfinished.discard()
            raise _PassingError(problem)
        with open(unfinished.part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(unfinished.part, path)
        unfinished.discard()
        return received
    except httpx.HTTPError as error:
        raise _PassingError(str(error) or type(error).__name__) from None
    except httpx.InvalidURL as error:
        raise FetchError(f"no address ({error})") from None
    except OSError as error:
        if isinstance(error, FetchError):
            raise
        raise _FinalError(str(explained(error, path))) from None


def _receive(item: Item, unfinished: Unfinished, client: httpx.Client, transfer: Transfer) -> int:
    """Append to the unfinished file what is missing of it; bytes received."""
    there = unfinished.size() if item.body is None else 0
    headers = {"User-Agent": "simcompare", "Accept-Encoding": "identity"}
    if item.body is not None:
        headers["Content-Type"] = f"multipart/form-data; boundary={FORM_BOUNDARY}"
    if there:
        headers["Range"] = f"bytes={there}-"
    headers |= transfer.headers() if transfer.headers else {}
    home, method = {"home": _home(httpx.URL(item.url))}, "GET" if item.body is None else "POST"
    with client.stream(method, item.url, content=item.body, headers=headers, extensions=home) as answer:
        if not answer.is_success:
            raise _refusal(answer, item, unfinished)
        # Compressed on the way though it was asked not to be; servers say so of files that are .gz too.
        packed = answer.headers.get("Content-Encoding", "identity") != "identity"
        packed = packed and not item.path.endswith((".gz", ".tgz"))
        edition = {} if packed else edition_of(answer)
        # A server that does not say where its part begins may have begun anywhere.
        begins = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        start = 0 if answer.status_code != 206 else int(begins[1]) if begins else -1
        if problem := _does_not_fit(start, there, packed, is_another(edition, unfinished.edition())):
            unfinished.discard()
            raise _PassingError(problem)
        if not start:
            unfinished.begin(edition)
        with unfinished.append() as file:
            for block in _bounded(answer.iter_bytes() if packed else answer.iter_raw(), item):
                file.write(block)
        return answer.num_bytes_downloaded


def _bounded(blocks: Iterator[bytes], item: Item) -> Iterator[bytes]:
    """Pass on what comes, as long as it may be the file and comes faster than by single bytes."""
    # Of one that is a little larger than announced it is told later by how much.
    most = item.size + _SLACK if item.size else max(_LARGEST, 100 * item.estimate)
    start, size = time.monotonic(), 0
    for block in blocks:
        size += len(block)
        if size > most:
            raise FetchError(f"more than the {most / 1e9:.3g} GB that it may have came, and no end")
        seconds = time.monotonic() - start
        if seconds > _LONGEST_WAIT and size < _SLOWEST * seconds:
            raise _PassingError(f"{size} bytes in {seconds:.0f} s, too few to wait for the rest")
        yield block


def _does_not_fit(start: int, there: int, packed: bool, is_another: bool) -> str:
    """Say why a part that begins at `start` cannot be joined to the `there` bytes; empty where it can."""
    if start not in (0, there):
        return f"a part that does not begin at the byte {there} that was asked for"
    if start and packed:
        return "a part that is compressed on the way"
    if start and is_another:
        return "the rest of a file that has changed on the server since its first part came"
    return ""


def _refusal(answer: httpx.Response, item: Item, unfinished: Unfinished) -> FetchError:
    """Error for an answer that is no file, which says whether another try makes sense."""
    problem = f"HTTP {answer.status_code} {answer.reason_phrase}"
    if answer.status_code in (401, 403):
        return _FinalError(
            f"{_plain(item.url)}: {problem}; account or key in the environment are wrong or expired."
        )
    if answer.status_code == 416:  # nothing is behind what we have, so that is wrong
        unfinished.discard()
    elif answer.status_code not in _RETRIED:
        return FetchError(problem)
    asked = answer.headers.get("Retry-After", "")
    return _PassingError(problem, min(float(asked), _LONGEST_WAIT) if asked.isdecimal() else 0.0)
