"""From files of real galaxies to one image set: prepared, split, without duplicates, every reject counted."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.surveys import SURVEYS, load_survey
from simcompare.files import fingerprint
from simcompare.imageset import LINEAR_UNIT, ImageSet, assign_split, collect_stamps, part_path, write_part
from simcompare.observed.formats import read_stamps, recognise
from simcompare.preparation import Preparation, preparation_stream, prepare_stamp
from simcompare.stamps import FLAGS, PreparedStamp, RawStamp, RejectedStampError

__all__ = ["REJECTED_FLAGS", "Sample", "prepare_observed", "refuse_flagged", "rejected_flags_of"]

log = logging.getLogger(__name__)

UNITS = {"linear": LINEAR_UNIT, "8-bit": "8-bit counts"}
SAME_OBJECT = 3.0  # arcsec
PART_BYTES = 1e9
REJECTED_FLAGS = ("undetected", "resampled", "saturated")


@dataclass(frozen=True, eq=False)
class Sample:
    """Result of preparing real images.

    Parameters
    ----------
    images : ImageSet
        What was accepted.
    rejected : Table
        One row per image that was not: galaxy_id, source, source_index, reason.
    """

    images: ImageSet
    rejected: Table

    @property
    def reasons(self) -> dict[str, int]:
        """How many were rejected for which reason; numbers in the reasons are written as N."""
        plain = [re.sub(r"\d+(\.\d+)?", "N", reason) for reason in self.rejected["reason"]]
        return dict(Counter(plain).most_common())


def rejected_flags_of(survey: str) -> tuple[str, ...]:
    """Name the flags that make an image of a survey unusable.

    Interpolated pixels are refused only where the survey gives a camera's own: coadds are all interpolated.
    """
    own_pixels = survey not in SURVEYS or load_survey(survey).integer_counts
    return tuple(flag for flag in REJECTED_FLAGS if own_pixels or flag != "resampled")


def refuse_flagged(stamp: PreparedStamp, flags: Sequence[str]) -> None:
    """Raise `RejectedStampError` when a prepared image, real or mock, has one of these flags."""
    found = [flag for flag in flags if stamp.row["flags"] & FLAGS[flag]]
    if found:
        raise RejectedStampError(f"flagged {', '.join(found)}")


class _Seen:
    """Places on the sky that are taken."""

    def __init__(self) -> None:
        self.cell = 2 * np.sin(np.deg2rad(SAME_OBJECT / 3600) / 2)
        self.places: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.names: set[str] = set()

    def holds(self, galaxy_id: str, ra: float, dec: float) -> bool:
        """Whether another object has this place, or this name."""
        if galaxy_id in self.names:
            return True
        if not (np.isfinite(ra) and np.isfinite(dec)):
            return False
        place, key = self._place(ra, dec)
        neighbours = (tuple(np.add(key, shift) - 1) for shift in np.ndindex(3, 3, 3))
        others = (other for cell in neighbours for other in self.places.get(cell, ()))
        return any(np.linalg.norm(other - place) < self.cell for other in others)

    def add(self, galaxy_id: str, ra: float, dec: float) -> None:
        """Take a place and a name."""
        self.names.add(galaxy_id)
        if np.isfinite(ra) and np.isfinite(dec):
            place, key = self._place(ra, dec)
            self.places.setdefault(key, []).append(place)

    def _place(self, ra: float, dec: float) -> tuple[np.ndarray, tuple[int, ...]]:
        """Compute the unit vector, and the cell of a 3-D grid that it lies in."""
        longitude, latitude = np.deg2rad(ra), np.deg2rad(dec)
        across = np.cos(latitude)
        place = np.array([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)])
        return place, tuple(int(i) for i in np.floor(place / self.cell))


def prepare_observed(
    paths: Sequence[str | Path],
    *,
    survey: str,
    bands: Sequence[str],
    preparation: Preparation,
    out: str | Path,
    name: str,
    seed: int = 0,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    rejected_flags: Sequence[str] | None = None,
    part_size: int | None = None,
) -> Sample:
    """Prepare real galaxies from files of any known format into one image set in a run folder.

    An interrupted call, made again, goes on after the last part that was written.

    Parameters
    ----------
    paths : sequence of path-like
        Files. Of an object that occurs twice (within 3 arcsec) the first is taken.
    survey : str
        Name of the survey, as mocks of it carry it.
    bands : sequence of str
        Wanted, in this order.
    preparation : Preparation
        Settings.
    out : path-like
        Run folder; parts are written into its ``images``.
    name : str
        Of the data set.
    seed : int
        Of the preparation's noise and of the split.
    fractions : sequence of 3 floats
        Of training, validation and test.
    rejected_flags : sequence of str, optional
        Names in `simcompare.stamps.FLAGS`; a galaxy with any of them is rejected. As a rule those that
        `rejected_flags_of` gives for the survey.
    part_size : int, optional
        Images in a part; about 1 GB when not given.

    Returns
    -------
    Sample

    Raises
    ------
    FileNotFoundError, ValueError
        When a file cannot be read, pixel scales are mixed, no galaxy is usable, or the folder holds parts
        that were made with other settings.
    """
    bands = tuple(bands)
    if rejected_flags is None:
        rejected_flags = rejected_flags_of(survey)
    unknown = [flag for flag in rejected_flags if flag not in FLAGS]
    if unknown:
        raise ValueError(f"flags {unknown} are not known; known are {', '.join(FLAGS)}.")
    inputs = [{"path": str(path), "format": recognise(path), "content": fingerprint(path)} for path in paths]
    settings = {
        "inputs": inputs,
        "seed": seed,
        "fractions": list(fractions),
        "rejected": list(rejected_flags),
    }
    part_size = part_size or _images_per_part(len(bands), preparation)
    seen, rejected, start, number = _resume(Path(out), settings, preparation)
    pending: list[PreparedStamp] = []
    pending_rejects: list[dict] = []
    scale = ImageSet.open(out).pixel_scale if number else None

    def flush(stop: int) -> None:
        nonlocal number, start
        stack, table = collect_stamps(pending)
        table["dataset"] = name
        write_part(
            part_path(out, number), stack, table, name=name, kind="observed", survey=survey, bands=bands,
            pixel_scale=scale, preparation=preparation, unit=UNITS[preparation.domain],
            provenance=settings | {"start": start, "stop": stop, "rejects": pending_rejects},
        )  # fmt: skip
        log.info(
            "wrote %s: %d images, %d rejected", part_path(out, number), len(pending), len(pending_rejects)
        )
        number, start = number + 1, stop
        rejected.extend(pending_rejects)
        pending.clear()
        pending_rejects.clear()

    position = 0
    for position, (path, stamp) in enumerate(_all_stamps(paths, bands), start=1):
        if position <= start:
            continue
        scale = stamp.pixel_scale if scale is None else scale
        if abs(stamp.pixel_scale - scale) > 1e-3 * scale:
            raise ValueError(
                f"{path}: pixel scale {stamp.pixel_scale} arcsec beside {scale}; prepare them apart."
            )
        try:
            pending.append(_prepare_one(stamp, preparation, seed, fractions, rejected_flags, seen))
        except RejectedStampError as reason:
            pending_rejects.append(_reject_row(path, stamp, reason))
        if len(pending) == part_size:
            flush(position)
    if pending:
        flush(position)
    rejected.extend(pending_rejects)
    if not number:
        raise ValueError(f"none of {position} images can be used; first reasons: {rejected[:3]}.")
    columns = ("galaxy_id", "source", "source_index", "reason")
    table = Table({column: [str(row[column]) for row in rejected] for column in columns}, dtype=[str] * 4)
    return Sample(images=ImageSet.open(out), rejected=table)


def _prepare_one(stamp, preparation, seed, fractions, rejected_flags, seen) -> PreparedStamp:
    """Prepare a stamp and assign its split, or raise the reason why not."""
    if seen.holds(stamp.galaxy_id, stamp.ra, stamp.dec):
        raise RejectedStampError(f"duplicate: an object within {SAME_OBJECT} arcsec was taken before")
    prepared = prepare_stamp(stamp, preparation, preparation_stream(seed, stamp.galaxy_id))
    refuse_flagged(prepared, rejected_flags)
    seen.add(stamp.galaxy_id, stamp.ra, stamp.dec)
    row = {"view": 0, "split": assign_split(stamp.galaxy_id, seed, fractions)}
    return replace(prepared, row=prepared.row | row)


def _all_stamps(paths, bands) -> Iterator[tuple[Path, RawStamp]]:
    """Stamps of all files, one at a time."""
    for path in paths:
        for stamp in read_stamps(Path(path), bands):
            yield Path(path), stamp


def _reject_row(path: Path, stamp: RawStamp, reason: Exception) -> dict:
    """Row of the table of rejects."""
    index = stamp.metadata.get("source_index", "")
    return {
        "galaxy_id": stamp.galaxy_id,
        "source": path.name,
        "source_index": str(index),
        "reason": str(reason),
    }


def _images_per_part(n_bands: int, preparation: Preparation) -> int:
    """Images that make about `PART_BYTES`."""
    pixels = 9 * preparation.size**2 + 4 * preparation.psf_size**2
    return max(1, int(PART_BYTES / (n_bands * pixels)))


def _resume(out: Path, settings: dict, preparation: Preparation) -> tuple[_Seen, list[dict], int, int]:
    """Places taken, rejects, stamps consumed and parts written by an earlier call."""
    seen, rejected = _Seen(), []
    if not part_path(out, 0).is_file():
        return seen, rejected, 0, 0
    images = ImageSet.open(out)
    provenance = images.provenance
    for key, value in settings.items():
        if provenance[0].get(key) != value:
            raise ValueError(
                f"{out}: holds an image set with {key} {provenance[0].get(key)}, not {value}; "
                "choose another folder or remove its images."
            )
    if images.preparation != preparation:
        raise ValueError(
            f"{out}: holds an image set prepared otherwise: {images.preparation.difference(preparation)}."
        )
    for row in images.catalogue:
        seen.add(str(row["galaxy_id"]), float(row["ra"]), float(row["dec"]))
    for part in provenance:
        rejected.extend(part["rejects"])
    return seen, rejected, provenance[-1]["stop"], len(provenance)
