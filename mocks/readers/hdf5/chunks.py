"""Files of one output that is cut into chunks."""

import re
from pathlib import Path

import h5py
import numpy as np

from mocks.readers.hdf5.snapshot import open_hdf5
from mocks.readers.hdf5.statements import header_of, other_output

__all__ = ["chunk_files", "count_problems", "sample_note"]

MOST_CHUNKS = 100_000  # files of one output; a header that promises more is damaged
CUT_OUT = {"CutoutID", "CutoutType"}  # in headers of cutouts from the Illustris and TNG sites
TYPES, STARS = 6, 4  # particle types in Gadget's format, and that of stars


def chunk_files(folder: Path, stems: tuple[str, ...], count_key: str) -> tuple[Path, ...]:
    """List all chunks ``stem.i.hdf5`` of a folder, and refuse a set with holes.

    Parameters
    ----------
    folder : Path
    stems : tuple of str
        Possible names before the chunk number.
    count_key : str
        Header attribute that tells the number of files.

    Returns
    -------
    tuple of Path
        In the order of their numbers.

    Raises
    ------
    FileNotFoundError
        When there is no chunk, or one is missing; its name is in the message.
    ValueError
        When the header does not tell a number of files.
    """
    numbered = re.compile(rf"({'|'.join(map(re.escape, stems))})\.(\d+)\.(hdf5|h5)", re.IGNORECASE)
    order, sets = {stem.lower(): i for i, stem in enumerate(stems)}, {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if match := numbered.fullmatch(entry.name):
            sets.setdefault((match[1], entry.suffix), {})[int(match[2])] = entry
    if not sets:
        others = f" (nor {', '.join(stems[1:])})" if stems[1:] else ""
        raise FileNotFoundError(f"{folder} holds no {stems[0]}.0.hdf5{others}; is the path right?")
    (stem, ending), there = min(sets.items(), key=lambda item: order[item[0][0].lower()])
    first = there[min(there)]
    with open_hdf5(first) as file:
        count = header_of(file).get(count_key)
    if not isinstance(count, int) or not 0 < count < MOST_CHUNKS:
        raise ValueError(
            f"{first}: Header {count_key} is {count!r}, not a number of files; the file is damaged."
        )
    if more := sorted(number for number in there if number >= count):
        raise ValueError(
            f"{folder}: {there[more[0]].name} is there, but Header {count_key} of {first.name} says {count} "
            "files; of two outputs? Keep those of one in the folder."
        )
    missing = [f"{stem}.{i}{ending}" for i in range(count) if i not in there]
    if missing:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} of {count} chunk files are missing: {', '.join(missing[:5])}"
            f"{' ...' if len(missing) > 5 else ''}. Stars would be lost silently; fetch them."
        )
    return tuple(there[i] for i in range(count))


def count_problems(chunks: tuple[Path, ...], *, partial: bool = False) -> list[str]:
    """Compare the particles that files hold with those their headers promise.

    Parameters
    ----------
    chunks : tuple of Path
        All of one snapshot.
    partial : bool
        The file holds some of the particles that its header speaks of, and is meant to.

    Returns
    -------
    list of str
        What is wrong, empty when nothing is.
    """
    problems, held, headers = [], np.zeros(TYPES, dtype=np.int64), []
    for chunk in chunks:
        try:
            with open_hdf5(chunk) as file:
                headers.append(header_of(file))
                here, unequal = _held(file)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        held += here
        problems += [f"{chunk}: {text}" for text in unequal]
        if len(chunks) > 1:
            problems += _of_another(chunk, headers)
    if not headers or partial:
        return problems
    names = ("NumPart_Total", "NumPart_ThisFile") if len(chunks) == 1 else ("NumPart_Total",)
    where = chunks[0] if len(chunks) == 1 else chunks[0].parent
    totals = {name: total for name in names if (total := _promised(headers[0], name)) is not None}
    for kind in (0, STARS):
        promised = {name: int(total[kind]) for name, total in totals.items()}
        is_left_out = len(chunks) == 1 and kind != STARS and held[kind] == 0
        fits = [count == held[kind] for count in promised.values()]
        # what was cut out of a snapshot, and says so, keeps one of both as it was there, never a smaller one
        is_part = CUT_OUT.intersection(headers[0]) and min(promised.values(), default=0) >= held[kind]
        agrees = any(fits) if is_part else all(fits)
        if promised and not agrees and not is_left_out:
            promises = " and ".join(f"{name} says {count}" for name, count in promised.items())
            problems.append(
                f"{where}: {held[kind]} particles of type {kind}, but {promises}: cut short, or one file of "
                "several? If it is meant to hold some alone, give --reader partial=true."
            )
    return problems


def sample_note(file: h5py.File) -> str:
    """Say that a cutout holds fewer stars than its header counts in it; empty where it holds all."""
    header, held = header_of(file), int(_held(file)[0][STARS])
    counted = _promised(header, "NumPart_ThisFile")
    if counted is None or not CUT_OUT.intersection(header) or counted[STARS] <= held:
        return ""
    return (
        f"holds {held} stars, its header counts {counted[STARS]} (NumPart_ThisFile): a sample? "
        f"Masses and light are then too low, by {counted[STARS] / max(held, 1):.3g}"
    )


def _held(file: h5py.File) -> tuple[np.ndarray, list[str]]:
    """Particles of each type in a file, and which types have datasets of different lengths."""
    held, unequal = np.zeros(TYPES, dtype=np.int64), []
    for kind in range(TYPES):
        group = file.get(f"PartType{kind}", {})
        lengths = {len(dataset) for dataset in group.values() if getattr(dataset, "shape", ())}
        if len(lengths) > 1:
            unequal.append(f"datasets of PartType{kind} have different lengths {sorted(lengths)}")
        held[kind] = max(lengths, default=0)
    return held, unequal


def _promised(header: dict, name: str) -> np.ndarray | None:
    """Give the number of particles of each type by an entry of the header, or None without one."""
    if name not in header:
        return None
    total = np.zeros(TYPES, dtype=np.int64)
    here = np.ravel(header[name]).astype(np.int64)[:TYPES]
    total[: len(here)] = here
    if name == "NumPart_Total":
        high = np.ravel(header.get("NumPart_Total_HighWord", ())).astype(np.int64)[: len(here)]
        total[: len(high)] += high << 32
    return total


def _of_another(chunk: Path, headers: list[dict]) -> list[str]:
    """Say when a chunk is of another snapshot than the first."""
    first, here = (_promised(header, "NumPart_Total") for header in (headers[0], headers[-1]))
    if first is not None and not np.array_equal(first, here):
        return [f"{chunk}: NumPart_Total differs from the first chunk's; a file of another snapshot?"]
    return other_output(str(chunk), headers[-1], "the first chunk", headers[0])
