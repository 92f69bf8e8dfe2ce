"""``simcompare board``: rank stored comparisons."""

from collections.abc import Iterator

from astropy.table import Table

from simcompare.comparison.board import board
from simcompare.runs.tables import readable, write_table
from simcompare.settings import BoardSettings

__all__ = ["board_of", "messages"]


def board_of(settings: BoardSettings) -> Table:
    """Rank comparison runs.

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


def messages(settings: BoardSettings, table: Table) -> Iterator[str]:
    """Show the ranking."""
    for name in ("structure_fraction", "structure_fraction_low", "structure_fraction_high"):
        table[name].info.format = ".2f"
    for name in ("delta_fraction", "delta_fraction_low", "delta_fraction_high"):
        table[name].info.format = "+.2f"
    for name in ("structure_p_holm", "p_value", "p_holm"):
        table[name].info.format = ".2g"
    for name in ("delta_mean", "delta_mean_low", "delta_mean_high"):
        table[name].info.format = "+.1f"
    for name in ("auc", "auc_low", "auc_high", "overlap"):
        table[name].info.format = ".2f"
    yield from readable(table).pformat(max_width=-1, max_lines=-1)
