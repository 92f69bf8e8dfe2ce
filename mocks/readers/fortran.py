"""Fortran unformatted files: records framed by their length."""

import os
import struct
from pathlib import Path

import numpy as np

__all__ = ["Records"]

MARKER = struct.Struct("<i")


class Records:
    """Records of a Fortran unformatted file, little endian, four-byte markers.

    The file's size bounds every length that is believed, so that a damaged marker ends in an error
    and not in a request for memory.

    Parameters
    ----------
    path : str or Path
        File of which records are read in order.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def __enter__(self) -> "Records":
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.path} does not exist.") from error
        self._size = os.fstat(self._file.fileno()).st_size
        self._place, self._ahead = 0, self._file.read(4)  # where the next record begins, and its first marker
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _length(self) -> int:
        """Length of the record that begins here."""
        if len(self._ahead) < 4:
            end = self._place + len(self._ahead)
            raise OSError(f"{self.path}: ends at byte {end} within a record; cut short? Fetch it again.")
        (length,) = MARKER.unpack(self._ahead)
        if not 0 <= length <= self._size - self._place - 8:
            swapped = struct.unpack(">i", self._ahead)[0]
            reason = (
                "it is big-endian, convert it"
                if 0 <= swapped <= self._size
                else "cut short, or no Fortran file"
            )
            raise OSError(
                f"{self.path}: record marker {length} at byte {self._place} is wrong (of {self._size}): "
                f"{reason}."
            )
        return length

    def _close(self, length: int, markers: bytes) -> None:
        """Check the marker behind a record and keep the one of the next; both are read with one call."""
        if markers[:4] != self._ahead:
            place = self._place + 4 + length
            if len(markers) < 4:
                raise OSError(
                    f"{self.path}: ends at byte {place} within a record; cut short? Fetch it again."
                )
            raise OSError(
                f"{self.path}: record marker {MARKER.unpack(markers[:4])[0]} at byte {place} differs from "
                f"{length} before it; the file is damaged. Fetch it again."
            )
        self._place, self._ahead = self._place + 8 + length, markers[4:]

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

        Returns
        -------
        ndarray

        Raises
        ------
        OSError
            When a marker is wrong or the record is no whole number of such numbers.
        """
        length = self._length()
        raw = self._file.read(length + 8)
        self._close(length, raw[length:])
        kind = np.dtype(dtype or "u1")
        if length % kind.itemsize:
            raise OSError(f"{self.path}: a record of {length} bytes holds no whole number of {kind} values.")
        return np.frombuffer(raw, dtype=kind, count=length // kind.itemsize)

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
        raw = self.read()
        for kind in kinds:
            if len(raw) == count * np.dtype(kind).itemsize:
                return raw.view(kind)
        raise OSError(
            f"{self.path}: a record of {len(raw)} bytes where {count} values of {' or '.join(kinds)} belong."
        )

    def skip(self, count: int = 1) -> None:
        """Pass over records without reading them."""
        for _ in range(count):
            length = self._length()
            self._file.seek(length, 1)
            self._close(length, self._file.read(8))
