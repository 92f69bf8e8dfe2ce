"""``simcompare export``: write an image set for other programs."""

from collections.abc import Iterator

from simcompare.images.export import export_fits, export_mmu
from simcompare.images.image_set import ImageSet
from simcompare.runs.files import remove_leftovers
from simcompare.settings import ExportSettings

__all__ = ["export_images", "messages"]


def export_images(settings: ExportSettings) -> int:
    """Write image sets, or what a condition selects of them, for other programs.

    Returns
    -------
    int
        Images written.

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing set, sets that do not fit together, or a condition that nothing fulfils.
    """
    images = ImageSet.join(settings.images, settings.where)
    remove_leftovers(settings.out)
    if settings.layout == "fits":
        export_fits(images, settings.out)
    else:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        export_mmu(images, settings.out)
    return len(images)


def messages(settings: ExportSettings, n: int) -> Iterator[str]:
    """Say how many images were written."""
    yield f"{n} images in {settings.out}"
