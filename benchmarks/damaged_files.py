"""Damage files of every kind that the product reads, by the thousand, and see how each reading ends.

Run it as ``python benchmarks/damaged_files.py [--cases N] [--seed S] [--only NAME ...]``. A case is one file
cut short, with bits flipped, bytes zeroed, blocks swapped, lines lost, words changed, or another file in its
place. Each must end within its time in one line (ValueError, OSError) or in what the clean file gives; other
numbers pass only where no hash of the file is known. The script exits with 1 if any does not.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import damaged_kinds

LONGEST = 20  # seconds of one reading
WAYS = ("cut", "flip", "flips", "zero", "swap", "noise", "lines", "word", "digit", "other", "empty", "insert")
ODD = (b"nan", b"-1", b"1e999", b"[]", b"true", b'"x"', b"", b"0", b"9" * 21, b"{}", b"\xff")
OTHERS = (
    b"<html>not found</html>",
    b"\x89HDF\r\n\x1a\n" + bytes(100),
    b"SIMPLE  =",
    b"{}",
    b"[]",
    bytes(999),
)
LINE = 2000  # characters of a message


@dataclass(frozen=True)
class Outcome:
    """How the reading of one damaged file ended."""

    kind: str
    told: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it may not end so."""
        return self.kind in ("traceback", "slow", "several lines", "not noticed")


def damaged(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """One damage of a file's content, and its name."""
    way = WAYS[rng.integers(len(WAYS))]
    data, size = bytearray(content), len(content)
    first, last = sorted(rng.integers(0, size + 1, 2).tolist())
    if way == "cut":
        return way, content[:first]
    if way in ("flip", "flips"):
        for _ in range(1 if way == "flip" else 20):
            data[rng.integers(size)] ^= 1 << int(rng.integers(8))
    elif way == "zero":
        data[first : min(last, first + 4096)] = bytes(min(last, first + 4096) - first)
    elif way == "noise":
        data[first : min(last, first + 512)] = rng.bytes(min(last, first + 512) - first)
    elif way == "swap":
        n = int(rng.integers(1, max(2, size // 4)))
        a, b = (int(rng.integers(0, max(1, size - n))) for _ in range(2))
        data[a : a + n], data[b : b + n] = data[b : b + n], data[a : a + n]
    elif way == "lines":
        lines = content.split(b"\n")
        at = int(rng.integers(len(lines)))
        lines[at : at + 1] = [] if rng.integers(2) else [lines[at]] * 2
        data = b"\n".join(lines)
    elif way in ("word", "digit"):
        words = content.split(b" ")
        at = int(rng.integers(len(words)))
        words[at] = ODD[rng.integers(len(ODD))]
        data = b" ".join(words)
        if way == "digit":
            data = bytearray(content)
            digits = [k for k, byte in enumerate(content) if 48 <= byte < 58][:100_000] or [0]
            data[digits[rng.integers(len(digits))]] = int(rng.integers(48, 58))
    elif way == "other":
        return way, OTHERS[rng.integers(len(OTHERS))]
    elif way == "empty":
        return way, b""
    else:
        data[first:first] = rng.bytes(int(rng.integers(1, 64)))
    return way, bytes(data)


def content_of(value: object) -> object:
    """Give a value in a form that compares equal when it is: arrays by their bytes."""
    if isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
        return (value.shape, value.tobytes() if value.dtype.kind != "O" else repr(value.tolist()))
    if isinstance(value, dict):
        return {str(key): content_of(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [content_of(each) for each in value]
    return repr(value)


def read(reader: Callable[[], object], clean: object, is_hashed: bool) -> Outcome:
    """Read a damaged file and judge how that ended."""

    def late(*_):
        raise TimeoutError("took too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = content_of(reader())
    except TimeoutError:
        return Outcome("slow", traceback.format_exc())
    except (ValueError, OSError) as error:
        told = str(error)
        few = len(told.splitlines()) <= 1 and len(told) < LINE
        return Outcome("one line" if few else "several lines", f"{type(error).__name__}: {told}")
    except Exception:
        return Outcome("traceback", traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if content == clean:
        return Outcome("right")
    return Outcome("not noticed" if is_hashed else "other numbers")


def try_kind(kind: damaged_kinds.Kind, folder: Path, cases: int, seed: int) -> list[tuple[str, Outcome]]:
    """Damage the file of one kind as often as asked for."""
    path, reader = kind.make(folder)
    whole = path.read_bytes()
    clean = content_of(reader())
    rng = np.random.default_rng([seed, zlib.crc32(kind.name.encode())])
    outcomes = []
    for _ in range(cases):
        way, content = damaged(whole, rng)
        if content == whole:
            continue
        path.write_bytes(content)
        damaged_kinds.forget()
        outcomes.append((way, read(reader, clean, kind.is_hashed)))
    path.write_bytes(whole)
    damaged_kinds.forget()
    assert content_of(reader()) == clean, kind.name
    return outcomes


def main() -> int:
    """Try all kinds, print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="Damages of each kind.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=None, help="Names of kinds.")
    options = parser.parse_args()
    faults = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in damaged_kinds.kinds(Path(folder)):
            if options.only is not None and kind.name not in options.only:
                continue
            start = time.perf_counter()
            print(kind.name, end=" ", flush=True)
            found = try_kind(kind, Path(folder), options.cases, options.seed)
            counts = Counter(outcome.kind for _, outcome in found)
            print(f"{time.perf_counter() - start:.1f} s {json.dumps(counts)}", flush=True)
            for way, outcome in found:
                if outcome.is_fault:
                    faults += 1
                    print(f"FAULT {kind.name} {way} {outcome.kind}\n{outcome.told}", flush=True)
            total += len(found)
    print(f"{total} damaged files, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
