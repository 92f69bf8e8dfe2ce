"""``simcompare board``: rank stored comparisons."""

from astropy.table import Table

from simcompare.comparison.board import board
from simcompare.runs.tables import write_table
from simcompare.settings import BoardSettings

__all__ = ["board_of"]


def board_of(settings: BoardSettings) -> Table:
    """Rank comparison runs.

    Parameters
    ----------
    settings : BoardSettings

    Returns
    -------
    Table
        See `board`; also written to ``settings.out`` when that is given.
    """
    table = board([path / "record.json" if path.is_dir() else path for path in settings.runs])
    if settings.out is not None:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, settings.out)
    return table
