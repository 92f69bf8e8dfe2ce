"""``simcompare export``: write image sets, or scores, for other programs."""

from collections.abc import Iterator
from pathlib import Path

from simcompare.images.export import export_fits, export_mmu
from simcompare.images.image_set import ImageSet
from simcompare.images.selection import select_rows
from simcompare.runs.files import remove_leftovers
from simcompare.runs.ledger import check_hash
from simcompare.scores.export import LAYOUTS, export_scores
from simcompare.scores.files import joined_form, joined_scores, scores_file
from simcompare.settings import ExportSettings

__all__ = ["export", "messages"]


def export(settings: ExportSettings) -> int:
    """Write image sets or scores, or what a condition selects of them, for other programs.

    Returns
    -------
    int
        Images written, or rows of scores.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing inputs, some that do not fit together, a condition that nothing fulfils, or a layout of
        the other sort.
    """
    if paths := _score_files(settings.images):
        return _export_scores(paths, settings)
    if settings.layout not in ("fits", "mmu"):
        raise ValueError(
            f"layout {settings.layout!r} is for scores, but {settings.images[0]} holds images; "
            "choose 'fits' or 'mmu'."
        )
    images = ImageSet.join(settings.images, settings.where)
    remove_leftovers(settings.out)
    if settings.layout == "fits":
        export_fits(images, settings.out)
    else:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        export_mmu(images, settings.out)
    return len(images)


def _score_files(inputs: list[Path]) -> list[Path]:
    """Files of scores, named by themselves or by their runs; none where these hold images."""
    files = []
    for path in inputs:
        if path.suffix in (".parquet", ".ecsv"):
            files.append(path)
            continue
        try:
            files.append(scores_file(path))
        except FileNotFoundError:
            if files:
                raise
    return files if len(files) == len(inputs) else []


def _export_scores(paths: list[Path], settings: ExportSettings) -> int:
    """Join, select and write scores."""
    if settings.layout not in LAYOUTS:
        raise ValueError(f"layout {settings.layout!r} is for images; choose {', '.join(LAYOUTS)} for scores.")
    for path in paths:
        check_hash(path)
    scores = joined_scores(paths, joined_form(paths))
    if settings.where is not None:
        scores = scores[select_rows(scores.derived().table, settings.where)]
        if not len(scores):
            raise ValueError(f"no scores match {settings.where!r}.")
    remove_leftovers(settings.out)
    export_scores(scores, settings.out, settings.layout)
    return len(scores)


def messages(settings: ExportSettings, n: int) -> Iterator[str]:
    """Say how many images were written."""
    yield f"{n} images in {settings.out}"
