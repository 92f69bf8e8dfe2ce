"""Fortran unformatted files: records framed by their length."""

import itertools
import os
import struct
from pathlib import Path

import numpy as np

from mocks.compiled import njit

__all__ = ["Records"]

MARKER = struct.Struct("<i")
FIRST_RECORDS = 64  # are found in one loop; part files hold some 20
AT_ONCE = 2**24  # bytes; smaller files are read with one call, which is several times faster


@njit
def _starts(raw):
    """Bytes at which the first records of a file begin, up to one whose two markers differ."""
    starts, count, place = np.zeros(FIRST_RECORDS, dtype=np.int64), 1, 0
    while place + 8 <= len(raw) and count < FIRST_RECORDS:
        length = 0
        for i in range(3, -1, -1):
            length = length << 8 | raw[place + i]
        behind = place + 4 + length
        if behind + 4 > len(raw):  # a negative length is a large one here
            break
        same = True
        for i in range(4):
            same &= raw[place + i] == raw[behind + i]
        if not same:
            break
        place = behind + 4
        starts[count] = place
        count += 1
    return starts[:count]


class Records:
    """Records of a Fortran unformatted file, little endian, four-byte markers.

    The file's size bounds every length that is believed, so that a damaged marker ends in an error
    and not in a request for memory.

    Parameters
    ----------
    path : Path
        File of which records are read in order.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> "Records":
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.path} does not exist.") from error
        self._size, self._place = os.fstat(self._file.fileno()).st_size, 0
        self._whole = self._file.read() if self._size <= AT_ONCE else None
        starts = [] if self._whole is None else _starts(np.frombuffer(self._whole, "u1")).tolist()
        self._next = dict(itertools.pairwise(starts))  # record that follows each known to be whole
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _bytes(self, start: int, count: int) -> bytes:
        """Bytes of the file, fewer at its end."""
        if self._whole is not None:
            return self._whole[start : start + count]
        self._file.seek(start)
        return self._file.read(count)

    def _record(self) -> tuple[int, int]:
        """First byte and length of the data of the record that begins here; both its markers are checked."""
        following = self._next.get(self._place)
        if following is not None:
            return self._place + 4, following - self._place - 8
        ahead = self._bytes(self._place, 4)
        if len(ahead) < 4:
            raise self._cut_short(self._place + len(ahead))
        (length,) = MARKER.unpack(ahead)
        if not 0 <= length <= self._size - self._place - 8:
            swapped = struct.unpack(">i", ahead)[0]
            reason = (
                "it is big-endian, convert it"
                if 0 <= swapped <= self._size
                else "cut short, or no Fortran file"
            )
            raise OSError(
                f"{self.path}: record marker {length} at byte {self._place} is wrong (of {self._size}): "
                f"{reason}."
            )
        place = self._place + 4 + length
        behind = self._bytes(place, 4)
        if len(behind) < 4:
            raise self._cut_short(place)
        if behind != ahead:
            raise OSError(
                f"{self.path}: record marker {MARKER.unpack(behind)[0]} at byte {place} differs from "
                f"{length} before it; the file is damaged. Fetch it again."
            )
        return self._place + 4, length

    def _cut_short(self, place: int) -> OSError:
        return OSError(f"{self.path}: ends at byte {place} within a record; cut short? Fetch it again.")

    @property
    def place(self) -> int:
        """Byte at which the next record begins; set it to one that was told before to read from there."""
        return self._place

    @place.setter
    def place(self, place: int) -> None:
        self._place = place

    @property
    def at_end(self) -> bool:
        """Whether all records are read."""
        return self._place >= self._size

    def read(self, dtype: str | None = None) -> np.ndarray:
        """Next record.

        Parameters
        ----------
        dtype : str, optional
            Numpy type of its numbers; raw bytes when left out.

        Raises
        ------
        OSError
            When a marker is wrong or the record is no whole number of such numbers.
        """
        start, length = self._record()
        return self._take(start, length, np.dtype(dtype or "u1"))

    def _take(self, start: int, length: int, kind: np.dtype) -> np.ndarray:
        """Read the record that begins here as numbers, and go on to the next."""
        if length % kind.itemsize:
            raise OSError(f"{self.path}: a record of {length} bytes holds no whole number of {kind} values.")
        raw = self._bytes(start, length)
        if len(raw) < length:
            raise self._cut_short(start + len(raw))
        self._place = start + length + 4
        return np.frombuffer(raw, dtype=kind)

    def array(self, count: int, kinds: tuple[str, ...]) -> np.ndarray:
        """Next record as `count` numbers of the one of `kinds` whose size fits.

        Parameters
        ----------
        count : int
            Number of values, at least 1.
        kinds : tuple of str
            Numpy types of different sizes.

        Returns
        -------
        ndarray, shape (count,)

        Raises
        ------
        OSError
            When none fits.
        """
        start, length = self._record()
        for kind in map(np.dtype, kinds):
            if length == count * kind.itemsize:
                return self._take(start, length, kind)
        raise OSError(
            f"{self.path}: a record of {length} bytes where {count} values of {' or '.join(kinds)} belong."
        )

    def skip(self, count: int = 1) -> None:
        """Pass over records without reading them."""
        for _ in range(count):
            start, length = self._record()
            self._place = start + length + 4
