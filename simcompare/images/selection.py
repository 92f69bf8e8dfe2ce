"""Selection of catalogue rows by an expression such as ``mag_r < 17.7 and not flags & 4``."""

from mocks.expressions import select_rows

__all__ = ["select_rows"]
