"""One loop for all synthetic images: order, and what is said of what failed."""

import logging
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import pytest

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample
from simcompare.images.stamps import PreparedStamp, RawStamp, RejectedStampError
from simcompare.synthetic.observing import Found, Source, observe_all


def stamp(name, view):
    pixel = np.full((1, 8, 8), float(view))
    return PreparedStamp(
        pixel, pixel, pixel, np.ones((1, 3, 3)), np.zeros(1), {"galaxy_id": name, "view": view}
    )


def read(names):
    if "torn" in names:
        raise OSError("file is truncated")
    yield from (Found(name, name.upper(), ((20, f"{name} is odd"),)) for name in names)


def observe(name, galaxy):
    assert galaxy == name.upper()
    for view in range(2):
        yield ("" if name == "single" else f"view {view}"), partial(make, name, view)


def make(name, view):
    if (name == "dim" and view) or name == "single":
        raise ValueError("too faint")
    logging.getLogger("mocks.any").warning("%s is noisy", name)
    return stamp(name, view)


def test_all_is_observed_in_order_and_failures_say_where():
    watched = []

    @contextmanager
    def watch(what):
        watched.append(what)
        yield

    sources = [Source(("a", "dim"), "one.h5"), Source(("torn",), "two.h5", "galaxy 7")]
    sources.append(Source(("single",), "3.h5"))
    images = observe_all(sources, read, observe, watch)
    assert watched == ["('a', 'dim')", "('torn',)", "('single',)"]
    assert [tuple(row) for row in images.catalogue] == [("a", 0), ("a", 1), ("dim", 0)]
    np.testing.assert_array_equal(images.stack.image[:, 0, 0, 0], [0, 1, 0])
    names = ("source", "galaxy_id", "reason")
    assert [tuple(failure[name] for name in names) for failure in images.failures] == [
        ("one.h5", "dim", "view 1: too faint"),
        ("two.h5", "galaxy 7", "file is truncated"),
        ("3.h5", "single", "too faint"),
        ("3.h5", "single", "too faint"),
    ]
    said = ["a is odd", "a is noisy", "a is noisy", "dim is odd", "dim is noisy", "single is odd"]
    assert [text for _, text in images.notes] == said
    nothing = observe_all(sources[1:], read, observe, watch)
    assert nothing.stack is None
    assert len(nothing.failures) == 3


def test_failures_say_whether_to_try_again(tmp_path):
    whole = tmp_path / "whole.h5"
    whole.write_bytes(b"content")

    def read_file(error):
        if isinstance(error, OSError | MemoryError):
            raise error
        yield Found("g", error)

    def fail(galaxy_id, error):
        yield "view 0", partial(raise_, error)

    def raise_(error):
        raise error

    files = (str(whole),)
    told = [
        Source(FileNotFoundError(2, "No such file"), "a.h5", files=files),
        Source(TimeoutError("took longer than 600 s to read"), "b.h5", files=files),
        Source(MemoryError(), "c.h5", files=files),
        Source(OSError("truncated file"), "d.h5", files=files),
        Source(OSError("truncated file"), "e.h5", files=(*files, str(tmp_path / "gone.h5"))),
        Source(ValueError("no light in r"), "f.h5", files=files, state="as it was"),
        Source(RejectedStampError("flagged undetected"), "g.h5", files=files),
    ]
    images = observe_all(told, read_file, fail, nullcontext)
    kinds = [failure["kind"] for failure in images.failures]
    assert kinds == ["may pass", "may pass", "may pass", "input", "may pass", "input", "left out"]
    assert [failure.get("is_unread", False) for failure in images.failures] == [True] * 5 + [False] * 2
    assert images.failures[2]["reason"] == "MemoryError"
    content = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert images.failures[3]["mark"] == f"sha256:{content}"
    assert images.failures[5]["mark"] == "as it was"
    whole.write_bytes(b"content!")
    assert told[3].mark() != images.failures[3]["mark"]


def test_errors_of_our_own_are_not_taken_for_failures():
    def broken(name, galaxy):
        yield "view 0", lambda: 1 / 0

    with pytest.raises(ZeroDivisionError):
        observe_all([Source(("a",), "one.h5")], read, broken, contextmanager(lambda what: iter([None])))


def test_a_sample_names_splits_and_refuses_as_real_images_are(tmp_path):
    rng, (y, x) = np.random.default_rng(1), np.mgrid[-20:20, -20:20]
    image = 50 * np.exp(-np.hypot(x, y) / 3) + rng.normal(0, 0.1, x.shape)
    raw = RawStamp(image[None], gaussian_psf(3.0, 15)[None], 0.396, ("r",), "g1")
    sample = Sample("toys", Preparation(size=32), "sdss", seed=3)
    row = sample.prepare(raw, view=2).row
    assert (row["dataset"], row["view"], row["split"], row["galaxy_id"]) == ("toys", 2, "test", "g1")
    blank = RawStamp(rng.normal(0, 0.1, image[None].shape), raw.psf, 0.396, ("r",), "g2")
    with pytest.raises(ValueError, match="flagged undetected"):
        sample.prepare(blank)
