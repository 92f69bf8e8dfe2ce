"""Browse more galaxies than fit one page: the same page, asking a server on this machine alone."""

import json
import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from simcompare.pages.browse_page import (
    PER_SHEET,
    describe,
    number_columns,
    page_text,
    sheet_jpeg,
    sheet_size,
    sheet_stretch,
    word_columns,
)
from simcompare.runs.tables import plain
from simcompare.scores.record import Scores

__all__ = ["BrowseServer", "make_server"]

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_SHEETS_KEPT = 64


class BrowseServer(ThreadingHTTPServer):
    """Answers the page's questions about one run; it listens to this machine alone.

    Parameters
    ----------
    port : int
        0 takes any free one.
    answers : callable
        From a path to content type and bytes, None for what there is not.
    """

    daemon_threads = True

    def __init__(self, port: int, answers) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.answers = answers

    @property
    def url(self) -> str:
        """Address for the browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """One request; nothing is read from the file system by its path."""

    server: BrowseServer

    def do_GET(self) -> None:
        # A page elsewhere that points its own name at this machine must not read the run.
        hosts = {f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")}
        found = self.server.answers(self.path) if self.headers.get("Host") in hosts else None
        if found is None:
            self.send_error(404)
            return
        kind, content = found
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, form: str, *args: object) -> None:
        logger.debug(form, *args)


def make_server(
    scores: Scores, image_sets: Mapping[str, Any], *, port: int = 0, toy: bool = False, side: int = 48
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

    Returns
    -------
    BrowseServer

    Raises
    ------
    ValueError
        When there is no row.
    """
    if not len(scores):
        raise ValueError("no scored row belongs to an image set that is still there; nothing to browse.")
    names, words = number_columns(scores), word_columns(scores)
    starts = range(0, len(scores), PER_SHEET)
    stretch = sheet_stretch(scores, image_sets)
    sheets = [
        {"served": f"sheet/{k}"} | sheet_size(min(PER_SHEET, len(scores) - start), side)
        for k, start in enumerate(starts)
    ]
    description = json.dumps(describe(scores, names, side) | {"sheets": sheets}).encode()
    page = page_text("Galaxies by likelihood", toy=toy, data=None).encode()

    @lru_cache(maxsize=_SHEETS_KEPT)
    def sheet(k: int) -> bytes:
        return sheet_jpeg(scores[starts[k] : starts[k] + PER_SHEET], image_sets, stretch, side)

    def row(k: int) -> bytes:
        one = scores[k : k + 1]
        values = ({name: str(one[name][0]) for name in words}, {name: one[name][0] for name in names})
        return json.dumps(plain(values), allow_nan=False).encode()

    def column(k: int) -> bytes:
        values = np.asarray(scores[names[k]], "<f8")
        return np.where(np.isfinite(values), values, np.nan).tobytes()

    numbered = {
        "sheet": (len(starts), "image/jpeg", sheet),
        "row": (len(scores), "application/json", row),
        "column": (len(names), "application/octet-stream", column),
    }

    def answers(path: str) -> tuple[str, bytes] | None:
        if path == "/":
            return "text/html; charset=utf-8", page
        if path == "/data.json":
            return "application/json", description
        asked = re.fullmatch(r"/(sheet|row|column)/(\d{1,9})", path)
        if asked is None:
            return None
        count, kind, make = numbered[asked[1]]
        return (kind, make(int(asked[2]))) if int(asked[2]) < count else None

    return BrowseServer(port, answers)
