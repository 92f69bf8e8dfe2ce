"""Rows of the table in docs/checked-numbers.md: a number of ours beside one found without our code."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "markdown"]


@dataclass(frozen=True)
class Row:
    """One number, found twice.

    Parameters
    ----------
    data : str
        File or sample.
    quantity : str
        What is measured, with its unit.
    ours, independent : float
    tolerance : float
        Largest difference that the two ways of measuring explain.
    how : str
        How the independent number was found.
    relative : bool
        Whether difference and tolerance are relative.
    """

    data: str
    quantity: str
    ours: float
    independent: float
    tolerance: float
    how: str
    relative: bool = False

    @property
    def difference(self) -> float:
        """Ours less the independent number; divided by it where relative."""
        found = self.ours - self.independent
        return found / self.independent if self.relative else found

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return bool(abs(self.difference) <= self.tolerance)

    def cells(self) -> tuple[str, ...]:
        """Text of the row."""
        if self.relative:
            difference, tolerance = f"{100 * self.difference:+.2g} %", f"{100 * self.tolerance:g} %"
        else:
            difference, tolerance = f"{self.difference:+.2g}", f"{self.tolerance:g}"
        numbers = (f"{self.ours:.6g}", f"{self.independent:.6g}", difference, tolerance)
        return (self.data, self.quantity, *numbers, self.how)


def markdown(rows: Iterable[Row]) -> str:
    """Table of rows; what disagrees is in bold."""
    head = (
        "data",
        "quantity",
        "ours",
        "independent",
        "difference",
        "allowed",
        "how the independent one was found",
    )
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    for row in rows:
        cells = row.cells()
        lines.append(" | ".join(cells if row.agrees else [f"**{cell}**" for cell in cells]))
    return "\n".join(f"| {line} |" for line in lines)
