"""Files of one output that is cut into chunks."""

from pathlib import Path

import numpy as np

from mocks.readers.hdf5.snapshot import header_of, open_hdf5

__all__ = ["chunk_files", "count_problems"]

MOST_CHUNKS = 100_000  # files of one output; a header that promises more is damaged
TYPES = 6  # of particles in Gadget's format


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
    first = [path for stem in stems for path in sorted(folder.glob(f"{stem}.*.hdf5"))]
    if not first:
        others = f" (nor {', '.join(stems[1:])})" if stems[1:] else ""
        raise FileNotFoundError(f"{folder} holds no {stems[0]}.0.hdf5{others}; is the path right?")
    stem = first[0].name.split(".")[0]
    with open_hdf5(first[0]) as file:
        count = header_of(file).get(count_key)
    if not isinstance(count, int) or not 0 < count < MOST_CHUNKS:
        raise ValueError(
            f"{first[0]}: Header {count_key} is {count!r}, not a number of files; the file is damaged."
        )
    files = tuple(folder / f"{stem}.{i}.hdf5" for i in range(count))
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} of {count} chunk files are missing: {', '.join(missing[:5])}"
            f"{' ...' if len(missing) > 5 else ''}. Stars would be lost silently; fetch them."
        )
    return files


def count_problems(chunks: tuple[Path, ...]) -> list[str]:
    """Compare the particles that chunks hold with those their headers promise.

    Parameters
    ----------
    chunks : tuple of Path
        All of one snapshot.

    Returns
    -------
    list of str
        What is wrong, empty when nothing is.
    """
    problems, held, promised = [], np.zeros(TYPES, dtype=np.int64), None
    for chunk in chunks:
        try:
            with open_hdf5(chunk) as file:
                header = header_of(file)
                for kind in range(TYPES):
                    group = file.get(f"PartType{kind}", {})
                    lengths = {len(dataset) for dataset in group.values() if getattr(dataset, "shape", ())}
                    if len(lengths) > 1:
                        problems.append(
                            f"{chunk}: datasets of PartType{kind} have different lengths {sorted(lengths)}"
                        )
                    held[kind] += max(lengths, default=0)
        except OSError as error:
            problems.append(str(error))
            continue
        total = np.zeros(TYPES, dtype=np.int64)
        here = np.ravel(header.get("NumPart_Total", ())).astype(np.int64)[:TYPES]
        total[: len(here)] = here
        high = np.ravel(header.get("NumPart_Total_HighWord", ())).astype(np.int64)[: len(here)]
        total[: len(high)] += high << 32
        promised = total if promised is None else promised
        if not np.array_equal(total, promised):
            problems.append(
                f"{chunk}: NumPart_Total differs from the first chunk's; a file of another snapshot?"
            )
    if promised is not None:
        problems += [
            f"{chunks[0].parent}: {held[kind]} particles of type {kind}, NumPart_Total says {promised[kind]}"
            for kind in (0, 4)
            if held[kind] != promised[kind]
        ]
    return problems
