"""Which simulated galaxies are observed, and what each is read from."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from astropy.table import Table

from mocks import Galaxy, IdealImage, load_survey
from mocks.readers import (
    Snapshot,
    centre_on_light,
    companions_problem,
    cut_aperture,
    formats,
    grouped,
    is_ideal_image,
    members,
    open_snapshot,
    parse_aperture,
    parse_options,
    read_image,
    select,
    with_companions,
)
from mocks.views import field_of_view
from simcompare.images.notes import kind_of
from simcompare.runs.failures import InputChangedError
from simcompare.settings import MockSettings

__all__ = ["Target", "read_target", "select_targets", "snapshot_of"]

logger = logging.getLogger(__name__)

_NAMED = 5  # files or galaxies named in a message, of however many
_IMAGE, _FAULT = -1, -2  # in place of a subhalo_id
_MOST_KEPT = 4  # snapshots that a process keeps open
_KEPT: dict[tuple, Snapshot] = {}
"""Open snapshots by path, state of their files, and how they were opened: never by path alone."""


@dataclass(frozen=True)
class Target:
    """One simulated galaxy, by where it is read from.

    Parameters
    ----------
    path : str
        Snapshot, or ready-made image.
    subhalo_id : int
        -1 for a ready-made image, -2 for an input that cannot be used.
    others : tuple of str
        Further files of an image that has one for each band.
    name : str
        Of a ready-made image, told apart from all others of the run.
    snapshot : int
        Number of the output.
    state : str
        Of the files that the snapshot is read from: others are another snapshot.
    fault : str
        Why the input cannot be used.
    """

    path: str
    subhalo_id: int = _IMAGE
    others: tuple[str, ...] = ()
    name: str = ""
    snapshot: int = 0
    state: str = ""
    fault: str = ""

    @property
    def is_image(self) -> bool:
        """Whether it is a ready-made idealised image instead of particles."""
        return self.subhalo_id == _IMAGE

    def label(self, dataset: str) -> str:
        """Name of it in lists, until the galaxy is read."""
        if self.fault:
            return Path(self.path).name
        return self.name or Path(self.path).stem if self.is_image else f"{dataset} {self.subhalo_id}"

    def __str__(self) -> str:
        return f"{self.path} {self.subhalo_id}"


def select_targets(settings: MockSettings) -> tuple[list[Target], str]:
    """Galaxies of all inputs that pass the selection, and the name of their simulation.

    One input of several that cannot be used is a target with a fault: `read_target` raises it, so that it
    becomes one line among the failures.

    Returns
    -------
    list of Target, str

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        For inputs that are missing, unknown or of several simulations, when the only one is damaged, two
        galaxies have one name, or nothing is left.
    """
    if settings.aperture:
        parse_aperture(settings.aperture)  # before anything is read
    inputs = _members(settings)
    targets, simulations, notes, wanted = [], {}, {}, set(settings.subhalo)
    for files in inputs:
        path = files[0]
        if is_ideal_image(path):
            if settings.companions:
                raise ValueError(f"{path} is a ready-made image; --companions is for snapshots.")
            target = Target(str(path), others=tuple(map(str, files[1:])))
            if len(inputs) == 1:
                _read_image(target, settings)  # raises before a run folder is made
            name = settings.name or settings.simulation or path.absolute().parent.name
            simulations.setdefault(name, path)
            targets.append(target)
            continue
        try:
            snapshot, state = _opened(str(path), _how(settings))
            table = snapshot.catalogue()
            if settings.companions and (problem := companions_problem(snapshot, settings.companions)):
                raise ValueError(problem)
        except (OSError, ValueError) as error:
            if len(inputs) == 1:
                raise
            targets.append(Target(str(path), _FAULT, fault=str(error)))
            continue
        simulations.setdefault(snapshot.simulation, path)
        for note in (*snapshot.notes, *table.meta.get("notes", ())):
            notes.setdefault(kind_of(note), []).append(f"{path}: {note}")
        rows = _selected(table, settings, wanted)
        target = Target(str(path), state=state, snapshot=snapshot.snapshot)
        targets += [replace(target, subhalo_id=int(number)) for number in rows["subhalo_id"]]
    _check_selection(wanted, simulations)
    for examples in notes.values():
        more = f" ({len(examples)} inputs alike)" if len(examples) > 1 else ""
        logger.info("%s%s", examples[0], more)
    faults = [target for target in targets if target.fault]
    good = [target for target in targets if not target.fault][:: settings.every]
    if not good:
        raise ValueError(_nothing_left(settings, faults))
    for target in faults[:_NAMED]:
        logger.warning("cannot be used: %s", target.fault)
    if len(faults) > _NAMED:
        logger.warning("%d more inputs cannot be used", len(faults) - _NAMED)
    return [*_with_unique_names(good), *faults], next(iter(simulations))


def _check_selection(missing: set[int], simulations: dict[str, Path]) -> None:
    """Refuse numbers of galaxies that are in no input, and inputs of several simulations."""
    if missing:
        listed = ", ".join(map(str, sorted(missing)[:10]))
        raise ValueError(
            f"{len(missing)} galaxies are not in the catalogue: {listed}; no such number, no stars, or "
            "flagged as not cosmological."
        )
    if len(simulations) > 1:
        listed = ", ".join(f"{name} ({path})" for name, path in simulations.items())
        raise ValueError(f"inputs of several simulations: {listed}; make one run for each, or give --name.")


def _nothing_left(settings: MockSettings, faults: list[Target]) -> str:
    """Say why there is no galaxy."""
    if faults:
        return f"none of {len(faults)} inputs can be used; the first: {faults[0].fault}"
    inputs = ", ".join(map(str, settings.inputs))
    return f"no galaxy in {inputs} passes the selection; loosen it."


def _selected(table: Table, settings: MockSettings, wanted: set[int]) -> Table:
    """Rows that are asked for; numbers that are there are taken off those wanted."""
    here = None
    if settings.subhalo:
        here = sorted(set(settings.subhalo) & set(table["subhalo_id"].tolist()))
        wanted -= set(here)
    return select(
        table,
        min_stellar_mass=settings.min_stellar_mass or None,
        subhalo_ids=here,
        where=settings.where,
    )


def snapshot_of(target: Target, settings: MockSettings) -> Snapshot:
    """Snapshot that a galaxy is read from."""
    return _snapshot(target.path, target.state, _how(settings))


def read_target(target: Target, settings: MockSettings) -> Galaxy | IdealImage:
    """Read the particles or the image of one target.

    Raises
    ------
    OSError, ValueError
        When the file is damaged or has changed since it was selected, or the galaxy cannot be used.
    """
    if target.fault:
        raise ValueError(target.fault)
    if target.is_image:
        return _read_image(target, settings)
    snapshot = snapshot_of(target, settings)
    galaxy = snapshot.read(target.subhalo_id)
    if settings.companions:
        galaxy = with_companions(snapshot, galaxy, settings.companions, gas=settings.needs_gas)
    if settings.centre == "light":
        band = load_survey(settings.survey).bands[settings.filters[0]].filter
        redshift = galaxy.redshift if settings.redshift is None else settings.redshift
        galaxy = centre_on_light(galaxy, band, redshift, settings.population)
    if not settings.aperture:
        return galaxy
    return cut_aperture(galaxy, settings.aperture, _image_side(galaxy, settings))


def _members(settings: MockSettings) -> list[tuple[Path, ...]]:
    """List the inputs, folders of single files taken apart, images of one galaxy put together."""
    files = []
    for path in settings.inputs:
        if settings.simulation in formats():  # the format is named, whatever the files look like
            files.append(path)
            continue
        try:
            in_path, others = members(path)
        except FileNotFoundError:
            raise
        except (OSError, ValueError):
            if len(settings.inputs) == 1:
                raise
            in_path, others = [path], {}  # opening it says why
        if others:
            why = "; ".join(f"{file.name}: {reason}" for file, reason in list(others.items())[:_NAMED])
            more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
            logger.warning("%s: %d files left out: %s%s", path, len(others), why, more)
        files += in_path
    return grouped(files)


def _with_unique_names(targets: list[Target]) -> list[Target]:
    """Targets with names of their own: images of one file name by their folders, galaxies by numbers."""
    seen: dict[tuple, str] = {}
    for target in targets:
        key = (target.path,) if target.is_image else (target.snapshot, target.subhalo_id)
        if key in seen:
            which = "one image" if target.is_image else f"galaxy {key[1]} of snapshot {key[0]}"
            raise ValueError(
                f"{seen[key]} and {target.path} are both {which}; name each input once, and files of "
                "different galaxies by their numbers (galaxy_7.hdf5)."
            )
        seen[key] = target.path
    images = {target.path: Path(target.path).absolute() for target in targets if target.is_image}
    names = {path: place.stem for path, place in images.items()}
    for depth in range(2, 2 + max((len(place.parts) for place in images.values()), default=0)):
        count = Counter(names.values())
        for path, place in images.items():
            if count[names[path]] > 1:
                names[path] = "-".join([*place.parts[-depth:-1], place.stem])
        if len(set(names.values())) == len(names):
            break
    return [replace(t, name=names[t.path]) if t.is_image else t for t in targets]


def _image_side(galaxy: Galaxy, settings: MockSettings) -> float | None:
    """Side of the image at the galaxy's distance [kpc]; None at redshift 0, where it covers nothing."""
    number, unit = field_of_view(settings.field_of_view) if settings.field_of_view else (0.0, "")
    if unit == "rhalf":
        return number * galaxy.properties["half_mass_radius"]
    redshift = settings.redshift or galaxy.redshift
    if redshift <= 0:
        return None
    kpc_per_arcsec = galaxy.cosmology.kpc_proper_per_arcmin(redshift).value / 60.0
    return settings.size * load_survey(settings.survey).pixel_scale * kpc_per_arcsec


def _how(settings: MockSettings) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Collect what decides how a snapshot is opened."""
    return settings.simulation, settings.name, tuple(settings.reader)


def _open(path: str, how: tuple, *, check: bool) -> Snapshot:
    """Open a snapshot as the settings say."""
    simulation, name, options = how
    named = {"name": name} if name else {}
    return open_snapshot(Path(path), simulation, check=check, **named, **parse_options(options))


def _opened(path: str, how: tuple) -> tuple[Snapshot, str]:
    """Snapshot, opened and examined unless its files are as they were, and the state of its files."""
    for (place, state, kept_how), snapshot in _KEPT.items():
        if (place, kept_how) == (path, how) and _state(snapshot.sources) == state:
            return snapshot, state
    snapshot = _open(path, how, check=True)
    state = _state(snapshot.sources)
    _keep((path, state, how), snapshot)
    return snapshot, state


def _snapshot(path: str, state: str, how: tuple) -> Snapshot:
    """Snapshot that was examined when its galaxies were selected, opened once per process."""
    if (path, state, how) not in _KEPT:
        snapshot = _open(path, how, check=False)
        if _state(snapshot.sources) != state:
            raise InputChangedError(f"{path} has changed since the run began; run the command again.")
        _keep((path, state, how), snapshot)
    return _KEPT[path, state, how]


def _keep(key: tuple, snapshot: Snapshot) -> None:
    """Keep a snapshot open for the next galaxies, and few others."""
    while len(_KEPT) >= _MOST_KEPT:
        _KEPT.pop(next(iter(_KEPT)))
    _KEPT[key] = snapshot


def _state(files: Iterable[Path]) -> str:
    """Mark by which files are known to be unchanged: place, size and times of each.

    The time at which its entry changed tells copies that keep size and time of the last change.
    """
    stats = [(str(file), os.stat(file)) for file in files]
    text = "\n".join(f"{name} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for name, s in stats)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_image(target: Target, settings: MockSettings) -> IdealImage:
    """Read a ready-made image under the name of its simulation, with the filters of the survey."""
    filters = {name: band.filter for name, band in load_survey(settings.survey).bands.items()}
    options = {"simulation": settings.name or settings.simulation, "filters": filters}
    return read_image(map(Path, (target.path, *target.others)), options | parse_options(settings.reader))
