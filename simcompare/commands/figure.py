"""``simcompare figure``: a figure of a report for a paper."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from simcompare.figures.looks import style
from simcompare.figures.stored import draw_stored
from simcompare.runs.files import atomic_path
from simcompare.runs.tables import filled_table, read_ecsv
from simcompare.settings import FigureSettings

__all__ = ["draw_figure", "messages"]

_ENDINGS = (".pdf", ".png", ".svg")


def draw_figure(settings: FigureSettings) -> Path:
    """Draw a figure of a report again.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    FileNotFoundError
        When the run has no such figure.
    ValueError
        For an unknown data set or kind of file.
    """
    folder = settings.run / "figures"
    path = folder / f"{settings.name}.ecsv"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.ecsv"))) or "none; run 'report' first"
        raise FileNotFoundError(f"{folder} has no figure {settings.name!r}; it has {known}.")
    if settings.out.suffix not in _ENDINGS:
        raise ValueError(f"{settings.out}: figures are written as {', '.join(_ENDINGS)}.")
    table = filled_table(read_ecsv(path))
    datasets = [name.strip() for name in settings.datasets.split(",")] if settings.datasets else ()
    with style(settings.style):
        figure = draw_stored(
            settings.name,
            table,
            settings.width,
            settings.title,
            labels=_pairs("labels", settings.labels),
            colors=_pairs("colors", settings.colors),
            datasets=datasets,
        )
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(settings.out) as target:
        figure.savefig(target, format=settings.out.suffix[1:], dpi=300)
    return settings.out


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Read an option of the form OLD=NEW."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [old for old, sign, new in pairs if not (sign and new)]:
        wanted = "OLD=NEW" if option == "labels" else "NAME=COLOUR"
        raise ValueError(f"--{option} {wrong[0]!r} is not of the form {wanted}.")
    return {old: new for old, _, new in pairs}


def messages(settings: FigureSettings, path: Path) -> Iterator[str]:
    """Say where the figure is."""
    yield f"figure in {path}"
