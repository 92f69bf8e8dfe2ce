"""``simcompare info``: describe an image set."""

from collections.abc import Iterator

from simcompare.images.description import data_section
from simcompare.images.image_set import ImageSet
from simcompare.settings import InfoSettings

__all__ = ["describe", "messages"]


def describe(settings: InfoSettings) -> str:
    """Describe image sets, or what a condition selects of them, as `data_section` does.

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing set, sets that do not fit together, a wrong condition, or one that nothing fulfils.
    """
    return data_section(ImageSet.join(settings.images, settings.where))


def messages(settings: InfoSettings, text: str) -> Iterator[str]:
    """Give the description."""
    yield text
