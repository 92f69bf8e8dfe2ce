"""Fortran unformatted files: records framed by their length."""

import struct
from pathlib import Path

import numpy as np

__all__ = ["Records"]


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
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} does not exist.")
        self._file = self.path.open("rb")
        self._size = self.path.stat().st_size
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _marker(self) -> int:
        raw = self._file.read(4)
        if len(raw) < 4:
            raise OSError(
                f"{self.path}: ends at byte {self._file.tell()} within a record; cut short? Fetch it again."
            )
        return struct.unpack("<i", raw)[0]

    def _length(self) -> int:
        """Length of the record that begins here."""
        start = self._file.tell()
        length = self._marker()
        if not 0 <= length <= self._size - start - 8:
            swapped = struct.unpack(">i", struct.pack("<i", length))[0]
            reason = (
                "it is big-endian, convert it"
                if 0 <= swapped <= self._size
                else "cut short, or no Fortran file"
            )
            raise OSError(
                f"{self.path}: record marker {length} at byte {start} is wrong (of {self._size}): {reason}."
            )
        return length

    def _close(self, length: int) -> None:
        """Check the marker behind a record."""
        start = self._file.tell()
        behind = self._marker()
        if behind != length:
            raise OSError(
                f"{self.path}: record marker {behind} at byte {start} differs from {length} before it; the "
                " file is damaged. Fetch it again."
            )

    @property
    def at_end(self) -> bool:
        """Whether all records are read."""
        return self._file.tell() >= self._size

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
        raw = self._file.read(length)
        self._close(length)
        kind = np.dtype(dtype or "u1")
        if length % kind.itemsize:
            raise OSError(f"{self.path}: a record of {length} bytes holds no whole number of {kind} values.")
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
            self._close(length)
