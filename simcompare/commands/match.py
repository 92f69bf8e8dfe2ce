"""``simcompare match``: masses, redshifts and types of real galaxies, from catalogues matched by place."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simcompare.images.image_set import ImageSet
from simcompare.images.joining import write_set
from simcompare.observed.properties import NEAR, check_matches, read_properties, with_properties
from simcompare.runs.files import atomic_path
from simcompare.runs.folder import Run, open_run
from simcompare.runs.ledger import read_record
from simcompare.settings import SKY_FILE, MatchSettings

__all__ = ["match_images", "messages"]

_IMAGES_PER_PART = 512


def match_images(settings: MatchSettings) -> ImageSet:
    """Give prepared real images the properties that catalogues have of their galaxies.

    Returns
    -------
    ImageSet
        The same images in ``settings.out``, with the columns of
        `simcompare.observed.properties.with_properties`.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing images or catalogues, a catalogue without a known property, images without places, or when
        no galaxy is in the catalogues.
    """
    with open_run(settings.out, "match", settings, [*settings.images, *settings.catalogue]) as run:
        images = ImageSet.join(settings.images)
        if not {"ra", "dec"} <= set(images.catalogue.colnames):
            raise ValueError(
                f"{', '.join(map(str, settings.images))}: its galaxies have no ra and dec, so no catalogue "
                "of the sky can be matched; give images of real galaxies."
            )
        done = run.ledger([*images.files, *settings.catalogue])
        if done.is_of_other():
            raise ValueError(
                f"{run.folder} was made from other images or catalogues than are given now; choose another "
                "--out, or delete the folder to start again."
            )
        done.record()
        tables = [read_properties(path) for path in settings.catalogue]
        matched = images.subset(slice(None))
        matched.catalogue = with_properties(images.catalogue, tables, settings.radius)
        check_matches(matched.catalogue, tables, settings.radius)
        write_set(matched, run.folder, _IMAGES_PER_PART, _is_made)
        _copy_sky(settings, run)
    return ImageSet.open(settings.out)


def _is_made(path: Path) -> bool:
    """Whether a part was finished before."""
    return path.is_file() and bool(read_record(path))


def _copy_sky(settings: MatchSettings, run: Run) -> None:
    """Copy the sky kept beside the images, which ``mock --conditions`` looks for."""
    sky = settings.images[0] / SKY_FILE
    if len(settings.images) == 1 and sky.is_file():
        with atomic_path(run.folder / SKY_FILE) as temporary:
            shutil.copyfile(sky, temporary)


def messages(settings: MatchSettings, images: ImageSet) -> Iterator[str]:
    """Say how many galaxies have a row."""
    near = np.asarray(images.catalogue[NEAR])
    several = np.count_nonzero(near > 1)
    yield (
        f"{np.count_nonzero(near)} of {len(images)} images of {images.name} have a row within "
        f"{settings.radius:g} arcsec, {several} of them several; in {settings.out}"
    )
