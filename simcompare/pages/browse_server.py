"""Browse more galaxies than fit one page: the same page, asking a server on this machine alone."""

import json
import logging
import re
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from waitress.server import create_server
from waitress.wasyncore import close_all

from simcompare.pages.browse_page import (
    PER_SHEET,
    Maps,
    describe,
    map_jpeg,
    map_reach,
    number_columns,
    page_text,
    sheet_jpeg,
    sheet_size,
    sheet_stretch,
    word_columns,
)
from simcompare.runs.tables import plain
from simcompare.scores.nearest_real import NearestReal, nearest_real
from simcompare.scores.record import Scores

__all__ = ["BrowseServer", "make_server"]

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_JSON = "application/json"
_SHEETS_KEPT = 64
_AT_WORK = 4  # threads
_CONNECTIONS = 1000  # at once; the others wait
_LONGEST_REQUEST = 16_384  # bytes


class BrowseServer:
    """Answers the page's questions about one run; it listens to this machine alone.

    Requests beyond those at work wait in line; a client that for a while neither asks a whole question nor
    takes a whole answer is dropped. Nothing is read from the file system by the path of a request.

    Parameters
    ----------
    port : int
        0 takes any free one.
    answers : callable
        From a path to content type and bytes, None for what there is not.
    patience : float
        Seconds until a silent or slow client is dropped.

    Raises
    ------
    OSError
        When the port is taken.
    """

    def __init__(
        self, port: int, answers: Callable[[str], tuple[str, bytes] | None], patience: float = 20.0
    ) -> None:
        self.answers = answers
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it logs each request that waits
        self._sockets, self._patience = {}, patience
        self._begun: dict[object, tuple[object, float]] = {}  # current request of each client, and since when
        try:
            self._server = create_server(
                self._answer,
                self._sockets,
                host=LOOPBACK,
                port=port,
                threads=_AT_WORK,
                connection_limit=_CONNECTIONS,
                backlog=_CONNECTIONS,
                cleanup_interval=min(patience, 5.0),
                max_request_header_size=_LONGEST_REQUEST,
                max_request_body_size=_LONGEST_REQUEST,
                outbuf_high_watermark=sys.maxsize,  # no thread waits for a client that takes nothing
                outbuf_overflow=sys.maxsize,  # answers are in memory already; no file is left open
                asyncore_use_poll=hasattr(select, "poll"),  # select knows no more than 1024 connections
                log_socket_errors=False,
                ident=None,
            )
        except OSError as error:
            self.close()
            raise OSError(f"port {port} is not available ({error}); give another --port, or none.") from error
        self._server.maintenance = self._drop_slow
        self.server_port = int(self._server.effective_port)

    @property
    def url(self) -> str:
        """Address for the browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def _answer(self, request: Mapping[str, Any], start: Callable) -> list[bytes]:
        """Answer one request, as WSGI has it."""
        # A page elsewhere that points its own name at this machine must not read the run.
        hosts = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}
        is_ours = request.get("HTTP_HOST") in hosts and request["REQUEST_METHOD"] in ("GET", "HEAD")
        status, kind, content = "404 Not Found", "text/plain; charset=utf-8", b"There is no such thing.\n"
        try:
            answer = self.answers(request["PATH_INFO"]) if is_ours and not request["QUERY_STRING"] else None
        except (OSError, ValueError) as error:  # an image set deleted or damaged meanwhile
            logger.warning("%s", error)
            status, content = "500 Internal Server Error", f"{error}\n".encode()
        else:
            if answer is not None:
                status, (kind, content) = "200 OK", answer
        start(status, [("Content-Type", kind), ("Content-Length", str(len(content)))])
        return [] if request["REQUEST_METHOD"] == "HEAD" else [content]

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or Ctrl-C."""
        self._server.run()
        self._server.task_dispatcher.shutdown()

    def shutdown(self) -> None:
        """End `serve_forever`, which another thread runs."""
        self._server.trigger.pull_trigger(self.close)

    def close(self) -> None:
        """Close all connections."""
        close_all(self._sockets, ignore_all=True)

    def __enter__(self) -> "BrowseServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop_slow(self, now: float) -> None:
        """Drop clients that do nothing for a while, or only a byte now and then, for which waitress waits."""
        begun = {}
        for client in list(self._server.active_channels.values()):
            if client.requests:  # it waits for us
                continue
            unfinished = client.request or ("answer" if client.total_outbufs_len else None)
            before, since = self._begun.get(client, (None, now))
            begun[client] = unfinished, since if unfinished is before else now
            # What is begun counts from its beginning; a client that is at nothing, from its last byte.
            last = client.last_activity if unfinished is None else min(client.last_activity, begun[client][1])
            if last < now - self._patience:
                self._server.trigger.pull_trigger(client.handle_close)  # once this round is over
        self._begun = begun


def make_server(
    scores: Scores,
    image_sets: Mapping[str, Any],
    *,
    port: int = 0,
    toy: bool = False,
    side: int = 48,
    maps: Maps | None = None,
) -> BrowseServer:
    """Make the server of a score table; nothing is answered before ``serve_forever``.

    Parameters
    ----------
    scores : Scores
        With ``image_index``; every data set must have an image set.
    image_sets : mapping of str to ImageSet
    port : int
        0 takes any free one.
    toy : bool
    side : int
        Side of a picture [pixels].
    maps : mapping of str to callable, optional
        As for `simcompare.pages.browse_page.write_browse`.

    Raises
    ------
    ValueError
        When there is no row.
    """
    if not len(scores):
        raise ValueError("none of the image sets of this run exist any more; nothing to browse.")
    names, texts = number_columns(scores), word_columns(scores)
    starts = range(0, len(scores), PER_SHEET)
    stretch, maps, near = sheet_stretch(scores, image_sets), maps or {}, nearest_real(scores)
    reach = map_reach(scores, maps) if maps else 1.0
    described = describe(scores, names, side, near, maps)
    described["sheets"] = _addresses("sheet", len(scores), side)
    described |= {"map_sheets": _addresses("map", len(scores), side)} if maps else {}
    whole = {
        "/": ("text/html; charset=utf-8", page_text(toy=toy, data=None).encode()),
        "/data.json": (_JSON, json.dumps(described).encode()),
    }

    @lru_cache(maxsize=_SHEETS_KEPT)
    def sheet(k: int) -> bytes:
        return sheet_jpeg(scores[starts[k] : starts[k] + PER_SHEET], image_sets, stretch, side)

    @lru_cache(maxsize=_SHEETS_KEPT)
    def map_sheet(k: int) -> bytes:
        return map_jpeg(scores[starts[k] : starts[k] + PER_SHEET], maps, reach, side)

    numbered = {
        "sheet": (len(starts), "image/jpeg", sheet),
        "map": (len(starts) if maps else 0, "image/jpeg", map_sheet),
        "row": (len(scores), _JSON, partial(_row, scores, texts, names, near)),
        "column": (len(names), "application/octet-stream", partial(_column, scores, names)),
    }

    def answers(path: str) -> tuple[str, bytes] | None:
        if path in whole:
            return whole[path]
        if path == "/ids.json":  # of a large run they are not kept twice
            return _JSON, json.dumps(scores["galaxy_id"].tolist()).encode()
        asked = re.fullmatch(r"/(sheet|map|row|column)/(\d{1,9})", path)
        if asked is None:
            return None
        count, kind, make = numbered[asked[1]]
        return (kind, make(int(asked[2]))) if int(asked[2]) < count else None

    return BrowseServer(port, answers)


def _addresses(kind: str, n: int, side: int) -> list[dict]:
    """Where the sheets of n pictures are asked for, and their sizes."""
    starts = range(0, n, PER_SHEET)
    return [
        {"served": f"{kind}/{k}"} | sheet_size(min(PER_SHEET, n - start), side)
        for k, start in enumerate(starts)
    ]


def _row(scores: Scores, texts: Sequence[str], names: Sequence[str], near: NearestReal, k: int) -> bytes:
    """Words, numbers and nearest real galaxies of one galaxy as JSON."""
    one = scores[k : k + 1]
    values = (
        {name: str(one[name][0]) for name in texts},
        {name: one[name][0] for name in names},
        near.rows[k].tolist(),
    )
    return json.dumps(plain(values), allow_nan=False).encode()


def _column(scores: Scores, names: Sequence[str], k: int) -> bytes:
    """Numbers of one column of all galaxies, little-endian; NaN where they are not finite."""
    values = np.asarray(scores[names[k]], "<f8")
    return np.where(np.isfinite(values), values, np.nan).tobytes()
