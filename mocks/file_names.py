"""Numbers of snapshots and galaxies in the names of files."""

import re
from pathlib import Path

__all__ = ["galaxy_number", "snapshot_number"]

SNAPSHOT = re.compile(r"(?i)(?:^|[^a-z])(?:snap(?:shot|dir|num)?|snip(?:shot)?|output)[_-]?(\d{1,5})(?!\d)")
# SIMBA: snap_m25n512_151; SWIFT: flamingo_0077, colibre_0123 (four digits at the end)
AFTER_BOX = re.compile(r"(?i)(?:^|[^a-z])snap(?:shot)?_[a-z]*\d*n\d+_(\d{1,4})(?!\d)")
GALAXY = re.compile(
    r"(?i)(?:^|[^a-z])(?:sub(?:halo|find)?|galaxy|gal|halo|cutout|broadband|group|stars?|object|obj|id|g(?=[_-]))[_-]?(\d+)(?!\d|\.\d)"
)
# What is no galaxy's number: redshifts, boxes and resolutions, versions, chunks, cameras
OTHER = re.compile(
    r"(?i)(?:^|(?<=[^a-z]))(?:z[=_-]?\d+(?:[.p]\d+)?|[lm]\d+n\d+(?:tng|fp)?|v\d+(?:\.\d+)*|i\d|a[=_-]?\d+\.\d+)(?![a-z\d])"
)
MOST_DIGITS = 15  # longest galaxy number
PARENTS = 3  # folders above a file that may be named after its snapshot


def snapshot_number(path: Path) -> int | None:
    """Snapshot number in the name of a file or of its folders.

    Parameters
    ----------
    path : Path
        However it was given: the folders are those of its absolute path.

    Examples
    --------
    >>> snapshot_number(Path("snapdir_099/snap_099.0.hdf5")), snapshot_number(Path("snap_m25n512_151.hdf5"))
    (99, 151)
    """
    path = Path(path).absolute()
    for part in (path.name, *(parent.name for parent in path.parents[:PARENTS])):
        for kind in (AFTER_BOX, SNAPSHOT):
            if match := kind.search(part):
                return int(match[1])
    return None


def galaxy_number(name: str) -> int | None:
    """Galaxy number in the name of a file: after a word such as galaxy or subhalo, or else the last number.

    Parameters
    ----------
    name : str
        With or without its ending.

    Examples
    --------
    >>> galaxy_number("cutout_417175.hdf5"), galaxy_number("snap_099_z0.30.hdf5")
    (417175, None)
    """
    stem = re.sub(r"(?i)(\.\d+)?(\.(hdf5|h5|fits|fit|fz|gz))+$", "", name)
    for kind in (AFTER_BOX, SNAPSHOT, OTHER):
        stem = kind.sub("|", stem)
    if match := GALAXY.search(stem):
        return int(match[1]) if len(match[1]) <= MOST_DIGITS else None
    digits = re.findall(r"(?<![\d.])\d+(?![\d.]*\d)", stem)
    return int(digits[-1]) if digits and len(digits[-1]) <= MOST_DIGITS else None
