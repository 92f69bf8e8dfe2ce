"""Names that tell galaxies apart where files or pictures of several folders are called alike."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simcompare.images.stamps import RawStamp
from simcompare.observed.pictures import is_picture, is_picture_folder

__all__ = ["Identities"]


@dataclass(frozen=True)
class Identities:
    """What is called alike among the inputs of one image set.

    A galaxy without a place on the sky is named after its file. Where unlike files have one name, that of
    the galaxy is made longer by the content of its file, which is the same however its path was given.

    Parameters
    ----------
    prefixes : dict of Path to str
        Start of the names of the galaxies of a file, in place of the name of the file.
    pictures : frozenset of str
        Names without ending that several pictures have.
    """

    prefixes: dict[Path, str]
    pictures: frozenset[str]

    @classmethod
    def of(cls, paths: Sequence[Path], contents: Sequence[str]) -> "Identities":
        """Look over the inputs.

        Parameters
        ----------
        paths : sequence of Path
        contents : sequence of str
            Hash of each.
        """
        stems, pictures = defaultdict(set), defaultdict(set)
        folders = {path for path in paths if is_picture_folder(path)}
        for path, content in zip(paths, contents, strict=True):
            if path not in folders:
                stems[path.stem].add(content)
        for folder in folders:
            for file in folder.iterdir():
                if is_picture(file):
                    pictures[file.stem].add(file.resolve())
        prefixes = {
            path: f"{path.stem}-{_short(content)}"
            for path, content in zip(paths, contents, strict=True)
            if len(stems[path.stem]) > 1
        }
        return cls(prefixes, frozenset(stem for stem, files in pictures.items() if len(files) > 1))

    def distinct(self, path: Path, stamp: RawStamp) -> RawStamp:
        """Stamp of a file under a name that no other galaxy has because of its file's name."""
        if np.isfinite(stamp.ra) and np.isfinite(stamp.dec):
            return stamp
        name = stamp.galaxy_id
        if path in self.prefixes and name.startswith(f"{path.stem}-"):
            return replace(stamp, galaxy_id=self.prefixes[path] + name.removeprefix(path.stem))
        if name in self.pictures and path.is_dir():
            file = path / str(stamp.metadata["source_index"])
            return replace(stamp, galaxy_id=f"{name}-{_short(hashlib.sha256(file.read_bytes()).hexdigest())}")
        return stamp


def _short(content: str) -> str:
    """First digits of a hash."""
    return content.rpartition(":")[2][:8]
