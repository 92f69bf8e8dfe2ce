"""From files of real galaxies to one image set: prepared, split, without duplicates, every reject counted."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from astropy.table import Table

from mocks.surveys import Survey, load_survey
from simcompare.images.description import kind_of_reason
from simcompare.images.image_set import LINEAR_UNIT, ImageSet, collect_stamps, part_path, write_part
from simcompare.images.parts import Part
from simcompare.images.positions import TakenPlaces, place_problem
from simcompare.images.preparation.flags import rejected_flags_of
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample as Common
from simcompare.images.stamps import PreparedStamp, RawStamp, RejectedStampError, unusable_stamp
from simcompare.kinds import Kind
from simcompare.observed.bands import foreign_filter
from simcompare.observed.formats import read_stamps
from simcompare.observed.identity import Identities
from simcompare.observed.properties import (
    PropertyTable,
    check_matches,
    with_properties,
    without_fill_values,
)
from simcompare.runs.failures import FailureKind, may_pass
from simcompare.runs.files import fingerprint
from simcompare.runs.ledger import check_hash, forget_record, write_record
from simcompare.runs.tasks import run_in_order
from simcompare.runs.time_limit import Watch

__all__ = ["Reading", "Sample", "prepare_observed", "prepare_sample"]

log = logging.getLogger(__name__)

UNITS = {"linear": LINEAR_UNIT, "8-bit": "8-bit counts"}
PART_BYTES = 1e8
_STAMPS_PER_TASK = 50
_BYTES_PER_TASK = 4 << 20  # a cluster's scheduler accepts this much


@dataclass(frozen=True, eq=False)
class Sample:
    """Result of preparing real images.

    Parameters
    ----------
    images : ImageSet
        What was accepted.
    rejected : Table
        One row per image that was not: galaxy_id, source, source_index, reason, kind (see
        `simcompare.runs.failures.FailureKind`).
    """

    images: ImageSet
    rejected: Table

    @property
    def reasons(self) -> dict[str, int]:
        """How many were rejected for which reason; numbers in the reasons are written as N."""
        return dict(Counter(map(kind_of_reason, self.rejected["reason"])).most_common())


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How images are read and taken.

    Parameters
    ----------
    units : str
        Pixel units where the files do not state them, see `read_stamps`.
    places : Table, optional
        From `read_places`: only these positions are cut from SDSS frames.
    properties : sequence of PropertyTable
        From `read_properties`, matched within ``match_radius`` arcsec.
    match_radius : float
    every : int
        Every n-th image is taken.
    kind : str
        Of the image set; "simulated" for finished images that another mock has made.
    part_size : int, optional
        Images in a part; about 100 MB when not given.
    workers : int
        Processes that prepare; this one reads.
    scheduler : str, optional
        See `simcompare.runs.tasks.run_tasks`.
    timeout : float
        Seconds after which reading one image is given up, and with it its file.
    """

    units: str = ""
    places: Table | None = None
    properties: Sequence[PropertyTable] = ()
    match_radius: float = 2.0
    every: int = 1
    kind: str = Kind.OBSERVED
    part_size: int | None = None
    workers: int = 1
    scheduler: str | None = None
    timeout: float = 600.0


def prepare_observed(
    paths: Sequence[str | Path],
    *,
    survey: str | Path | Survey,
    bands: Sequence[str],
    preparation: Preparation,
    out: str | Path,
    name: str,
    seed: int = 0,
    **reading,
) -> Sample:
    """Prepare real galaxies from files of any known format into one image set in a run folder.

    An interrupted call, made again, goes on after the last part that was written.

    Parameters
    ----------
    paths : sequence of path-like
        Files. Of an object that occurs twice (within 3 arcsec) the first is taken.
    survey : str, Path or Survey
        That the images are from: its name, survey file or record.
    bands : sequence of str
        Wanted, in this order.
    preparation : Preparation
    out : path-like
        Run folder; parts are written into its ``images``.
    name : str
        Of the data set.
    seed : int
        Of the preparation's noise and of the split.
    **reading
        Fields of `Reading`, and ``fractions`` of training, validation and test (default 0.8, 0.1, 0.1).

    Raises
    ------
    FileNotFoundError, ValueError
        As of `prepare_sample`.
    """
    fractions = tuple(reading.pop("fractions", (0.8, 0.1, 0.1)))
    common = Common(name, preparation, survey, seed, fractions)
    return prepare_sample(paths, common, bands, out, Reading(**reading))


def prepare_sample(
    paths: Sequence[str | Path], common: Common, bands: Sequence[str], out: str | Path, reading: Reading
) -> Sample:
    """Prepare real galaxies, see `prepare_observed`.

    Parameters
    ----------
    paths : sequence of path-like
    common : simcompare.images.preparation.sample.Sample
        Name, preparation, survey, seed and splits of the data set.
    bands : sequence of str
    out : path-like
    reading : Reading

    Raises
    ------
    FileNotFoundError, ValueError
        When a file cannot be read, pixel scales are mixed, no galaxy is usable, none is in the catalogues of
        properties, or the folder holds parts that were made with other settings.
    """
    bands, paths, out = tuple(bands), [Path(path) for path in paths], Path(out)
    common = replace(common, survey=load_survey(common.survey))
    places, properties = reading.places, tuple(reading.properties)
    provenance = {
        "inputs": [{"path": str(path), "content": fingerprint(path)} for path in paths],
        "seed": common.seed,
        "fractions": list(common.fractions),
        "rejected": list(rejected_flags_of(common.survey)),
        "units": reading.units,
        "every": reading.every,
        "places": None if places is None else _digest(places),
    }
    if properties:
        provenance["properties"] = [table.digest for table in properties] + [reading.match_radius]
    part_size = reading.part_size or _images_per_part(len(bands), common.preparation)
    parts = _Parts(
        out, common, bands, provenance, part_size,
        kind=reading.kind, properties=properties, match_radius=reading.match_radius,
    )  # fmt: skip
    parts.resume()
    out.mkdir(parents=True, exist_ok=True)
    with Watch(out / "stamps.reading", reading.timeout) as watch:
        identities = Identities.of(paths, [item["content"] for item in provenance["inputs"]])
        every_stamp = _all_stamps(paths, bands, reading.units, places, watch, identities)
        stamps = islice(every_stamp, parts.start * reading.every, None, reading.every)
        batches = parts.batches(stamps)
        prepare = partial(_prepare_batch, common)
        for outcomes in run_in_order(prepare, batches, reading.workers, scheduler=reading.scheduler):
            for identity, ready in outcomes:
                parts.take(identity, ready)
    if parts.pending:
        parts.flush()
    rejected = parts.rejected + parts.pending_rejects
    if not parts.number:
        _refuse_empty(paths, parts.stop, rejected)
    images = ImageSet.open(out)
    if properties:
        check_matches(images.catalogue, properties, reading.match_radius)
    return Sample(images=images, rejected=_rejects_table(rejected))


def _refuse_empty(paths: Sequence[Path], n_images: int, rejected: Sequence[dict]) -> NoReturn:
    """Say why there is no image set."""
    if not n_images:
        raise ValueError(f"no galaxy was found in {len(paths)} files, the first {paths[0]}.")
    reasons = list(dict.fromkeys(row["reason"] for row in rejected))[:3]
    raise ValueError(f"none of {n_images} images can be used; first reasons: {'; '.join(reasons)}.")


def _rejects_table(rejected: Sequence[dict]) -> Table:
    """Images that were left out, one row each, as `Sample` has them."""
    usual = {"kind": FailureKind.LEFT_OUT}
    columns = ("galaxy_id", "source", "source_index", "reason", "kind")
    return Table(
        {column: [str((usual | row)[column]) for row in rejected] for column in columns},
        dtype=[str] * len(columns),
    )


@dataclass(eq=False)
class _Parts:
    """An image set as it grows, part by part: what is written, and what waits to be."""

    out: Path
    common: Common
    bands: tuple[str, ...]
    settings: dict
    part_size: int
    kind: str = Kind.OBSERVED
    properties: tuple[PropertyTable, ...] = ()
    match_radius: float = 2.0
    seen: TakenPlaces = field(default_factory=TakenPlaces)
    scale: float = (
        0.0  # pixel scale before preparation [arcsec]; 0 before the first image, and for most pictures
    )
    start: int = 0  # images of the inputs that the written parts account for
    stop: int = 0  # images of the inputs that were taken or rejected
    number: int = 0  # number of the next part
    rejected: list[dict] = field(default_factory=list)
    pending: list[PreparedStamp] = field(default_factory=list)
    pending_rejects: list[dict] = field(default_factory=list)

    def resume(self) -> None:
        """Go on after the parts of an earlier call; refuse those that were made otherwise."""
        _remove_from_the_first_gap_on(self.out)
        if not part_path(self.out, 0).is_file():
            return
        images = ImageSet.open(self.out)
        provenance = images.provenance
        for key, value in self.settings.items():
            if _without_paths(provenance[0].get(key)) != _without_paths(value):
                raise ValueError(
                    f"{self.out}: holds an image set with {key} {provenance[0].get(key)}, not {value}; "
                    "choose another folder or remove its images."
                )
        if images.preparation != self.common.preparation:
            raise ValueError(
                f"{self.out}: holds an image set prepared differently: "
                f"{images.preparation.difference(self.common.preparation)}."
            )
        for row in images.catalogue:
            self.seen.add(str(row["galaxy_id"]), float(row["ra"]), float(row["dec"]))
        for part in provenance:
            self.rejected.extend(part["rejects"])
        self.scale, self.number = images.pixel_scale, len(provenance)
        self.start = self.stop = provenance[-1]["stop"]

    def problem_with(self, stamp: RawStamp) -> str:
        """Say why an image is not of the survey, or of another pixel scale than the first; empty if it is."""
        survey = self.common.survey
        if stamp.domain != "8-bit":
            for name in stamp.filters:
                if foreign_filter(name, survey.name):
                    return f"filter {name} is none of {survey.name}; give the survey that it is of"
            own = survey.pixel_scale
            if abs(stamp.pixel_scale - own) > 0.01 * own:
                return (
                    f"pixels of {stamp.pixel_scale:.4g} arcsec, but those of {survey.name} are {own:g}; give "
                    "the survey that they are from, or a survey file"
                )
        self.scale = self.scale or stamp.pixel_scale
        if abs(stamp.pixel_scale - self.scale) > 1e-3 * self.scale:
            return f"pixel scale {stamp.pixel_scale:.6g} arcsec, not {self.scale:.6g}; prepare it separately"
        return ""

    def batches(self, stamps: Iterable[tuple[Path, RawStamp]]) -> Iterator[list[tuple[Path, RawStamp]]]:
        """Images of one scale, some at a time."""
        batch, size = [], 0
        for path, stamp in stamps:
            if not stamp.problem and (problem := self.problem_with(stamp)):
                stamp = replace(stamp, problem=problem)
            batch.append((path, stamp))
            size += sum(value.nbytes for value in vars(stamp).values() if isinstance(value, np.ndarray))
            if len(batch) == _STAMPS_PER_TASK or size > _BYTES_PER_TASK:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def take(self, identity: dict, ready: PreparedStamp | str) -> None:
        """Let a prepared image wait, or note why there is none; of one object the first image is kept."""
        place = tuple(identity[name] for name in ("galaxy_id", "ra", "dec"))
        reason = ready
        if identity["is_readable"] and (how := self.seen.holds(*place)):
            reason = f"duplicate: {how}"
        if isinstance(reason, str):
            names = ("galaxy_id", "source", "source_index", "kind")
            known = {name: identity[name] for name in names if name in identity}
            self.pending_rejects.append(known | {"reason": reason})
        else:
            # A full part waits for its successor's first image: rejects between them, or after the last
            # image of all, must stand in some part.
            if len(self.pending) == self.part_size:
                self.flush()
            self.seen.add(*place)
            self.pending.append(ready)
        self.stop += 1

    def flush(self) -> None:
        """Write what waits as one part, which accounts for all images so far."""
        if not self.out.is_dir():
            raise OSError(
                f"{self.out} was moved or removed meanwhile; put it back and run the command again."
            )
        stack, table = collect_stamps(self.pending)
        table["dataset"] = self.common.dataset
        table = without_fill_values(table)
        if self.properties:
            table = with_properties(table, self.properties, self.match_radius)
        preparation = self.common.preparation
        path = write_part(
            part_path(self.out, self.number), stack, table, name=self.common.dataset, kind=self.kind,
            survey=self.common.survey, bands=self.bands, pixel_scale=preparation.pixel_scale_of(self.scale),
            preparation=preparation, unit=UNITS[preparation.domain],
            provenance=self.settings
            | {"start": self.start, "stop": self.stop, "rejects": self.pending_rejects},
        )  # fmt: skip
        write_record(path, {})
        log.info("wrote %s: %d images, %d rejected", path, len(self.pending), len(self.pending_rejects))
        self.rejected.extend(self.pending_rejects)
        self.start, self.number, self.pending, self.pending_rejects = self.stop, self.number + 1, [], []


def _remove_from_the_first_gap_on(out: Path) -> None:
    """Remove all parts from the first on that is missing, damaged or has a failure that may pass.

    Each part goes on where the one before ends.
    """
    known = {path.stem for path in (out / "images").glob("part-*.*")}  # images, or records of lost ones
    paths = [part_path(out, number) for number in range(len(known) + 1)]
    for number, path in enumerate(paths):
        try:
            check_hash(path)
            rejects = json.loads(Part.open(path).provenance).get("rejects", [])
            if any(row.get("kind") == FailureKind.MAY_PASS for row in rejects):
                raise OSError("retrying inputs that could not be read before")
        except OSError as error:
            for later in filter(Path.is_file, paths[number:]):
                log.warning("%s is redone (%s)", later, error)
                later.unlink()
            for later in paths[number:]:
                forget_record(later)
            return


def _prepare_batch(
    common: Common, batch: list[tuple[Path, RawStamp]]
) -> list[tuple[dict, PreparedStamp | str]]:
    """Each image's identity, and itself prepared or the reason why it cannot be used."""
    outcomes = []
    for path, stamp in batch:
        identity = {
            "galaxy_id": stamp.galaxy_id, "ra": stamp.ra, "dec": stamp.dec, "source": path.name,
            "source_index": str(stamp.metadata.get("source_index", "")),
            "is_readable": not (stamp.problem or place_problem(stamp.ra, stamp.dec)),
        }  # fmt: skip
        if "kind" in stamp.metadata:
            identity["kind"] = stamp.metadata["kind"]
        try:
            outcomes.append((identity, _prepare_one(stamp, common)))
        except RejectedStampError as reason:
            outcomes.append((identity, str(reason)))
        # No image may end the run of the others.
        except (ValueError, ArithmeticError, IndexError, MemoryError) as error:
            kind = FailureKind.MAY_PASS if may_pass(error) else FailureKind.INPUT
            reason = " ".join((str(error) or type(error).__name__).split())
            outcomes.append((identity | {"kind": kind}, f"cannot be prepared: {reason}"))
    return outcomes


def _prepare_one(stamp: RawStamp, common: Common) -> PreparedStamp:
    """Prepare a stamp and assign its split, or raise the reason why not."""
    if problem := stamp.problem or place_problem(stamp.ra, stamp.dec):
        raise RejectedStampError(problem)
    prepared = common.prepare(stamp)
    prepared.row.pop("dataset")  # a part has it behind all other columns
    return prepared


def _all_stamps(
    paths: Sequence[Path], bands, units, places, watch: Watch, identities: Identities
) -> Iterator[tuple[Path, RawStamp]]:
    """Stamps of all files, one at a time; of several files a bad one counts as one rejected image."""
    for path in paths:
        try:
            with watch(str(path)):
                stamps = iter(read_stamps(path, bands, units=units, places=places))
            while True:
                with watch(str(path)):
                    stamp = next(stamps, None)
                if stamp is None:
                    break
                yield path, identities.distinct(path, stamp)
        except (ValueError, OSError, MemoryError) as error:
            if len(paths) == 1:
                raise
            problem = str(error).removeprefix(f"{path}: ") or type(error).__name__
            stamp = unusable_stamp(bands, "", problem, path.name, "")
            is_passing = may_pass(error) or not path.exists()
            kind = FailureKind.MAY_PASS if is_passing else FailureKind.INPUT
            yield path, replace(stamp, metadata=stamp.metadata | {"kind": kind})


def _without_paths(value):
    """Leave out of a setting how inputs were called: their content says which they are."""
    return (
        [item.get("content") for item in value]
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else value
    )


def _digest(places: Table) -> str:
    """Hash of a catalogue's places, to know it again."""
    return hashlib.sha256(np.array([places["ra"], places["dec"]], float).tobytes()).hexdigest()


def _images_per_part(n_bands: int, preparation: Preparation) -> int:
    """Images that make about `PART_BYTES`."""
    pixels = 9 * preparation.size**2 + 4 * preparation.psf_size**2
    return max(1, int(PART_BYTES / (n_bands * pixels)))
