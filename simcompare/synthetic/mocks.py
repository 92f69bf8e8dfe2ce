"""Simulated galaxies to an image set: observed as the survey would, prepared as real images are."""

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mocks import (
    ConditionsBank,
    Cutout,
    Galaxy,
    IdealImage,
    ObservingConditions,
    SkyBank,
    draw_state,
    load_survey,
    mock_galaxy,
    observe,
    stream,
    with_smoothing_lengths,
)
from mocks.ideal.bands import filter_family
from mocks.products import write_fits, write_rgb
from mocks.readers import fit_to_survey
from simcompare.images.build import Images
from simcompare.images.image_set import ImageSet
from simcompare.images.notes import collect_log
from simcompare.images.parts import collect_stamps
from simcompare.images.preparation.flags import refuse_flagged, rejected_flags_of
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.splits import assign_split
from simcompare.images.stamps import PreparedStamp, RawStamp
from simcompare.runs.names import file_name
from simcompare.runs.time_limit import Watch
from simcompare.settings import MockSettings, SkySettings
from simcompare.synthetic.conditions import conditions_bank
from simcompare.synthetic.sky import make_sky_bank
from simcompare.synthetic.targets import Target, read_target

__all__ = ["Task", "make_images", "notes_of", "observe_image", "sky_file"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One part of the image set."""

    targets: tuple[Target, ...]
    settings: MockSettings
    preparation: Preparation
    dataset: str
    fractions: tuple[float, float, float]
    sky: Path | None = None

    @property
    def source(self) -> ConditionsBank | SkyBank | None:
        """Where the conditions of each image are drawn from; None is the survey file."""
        if self.sky is not None:
            return _sky_bank(self.sky)
        return _bank(self.settings.conditions) if self.settings.conditions else None


def sky_file(settings: MockSettings, folder: Path, window: int) -> Path | None:
    """Bank of real sky whose patches hold a whole image; cut from survey images where a folder is given.

    Parameters
    ----------
    settings : MockSettings
    folder : pathlib.Path
        Run folder, which a new bank is written into.
    window : int
        Side of the images [pixels].

    Returns
    -------
    pathlib.Path or None
        None when the settings ask for none.

    Raises
    ------
    ValueError
        When a band is missing or the patches are too small.
    """
    path = settings.real_sky
    if path is None:
        origin = f"like that of {settings.conditions}" if settings.conditions else "of the survey file"
        logger.info("synthetic sky %s; --sky takes real sky", origin)
        return None
    if path.is_dir():
        path = folder / "sky.h5"
        if not path.is_file():
            make_sky_bank(
                SkySettings(
                    inputs=[settings.real_sky],
                    out=path,
                    survey=settings.survey,
                    bands=settings.bands,
                    size=window,
                    seed=settings.seed,
                )
            )
    bank = _sky_bank(path)
    logger.info("real sky: %d patches of %s", len(bank), path)
    missing = [band for band in settings.bands if band not in bank.bands]
    if missing or bank.image.shape[-1] < window:
        raise ValueError(
            f"{path} holds patches of {bank.image.shape[-1]} pixels in {''.join(bank.bands)}; images of "
            f"{settings.size} pixels in {settings.bands} need {window}: simcompare sky --size {window}."
        )
    return path


@lru_cache(maxsize=2)
def _sky_bank(path: Path) -> SkyBank:
    """Bank of real sky, read once per process."""
    return SkyBank.load(path)


@lru_cache(maxsize=4)
def _bank(path: Path) -> ConditionsBank:
    """Bank of an image set, read once per process."""
    return conditions_bank(ImageSet.open(path))


def make_images(task: Task, watch: Watch) -> Images:
    """Observe and prepare all views of the galaxies of one part."""
    settings, stamps, failures, notes = task.settings, [], [], []
    for target in task.targets:
        name = target.label(task.dataset)
        try:
            with watch(f"{target.path} {target.subhalo_id}"):
                subject = read_target(target, settings)
                if isinstance(subject, Galaxy):
                    subject = with_smoothing_lengths(subject)  # once for all views
        except (ValueError, OSError) as error:
            failures.append({"source": target.path, "galaxy_id": name, "reason": str(error)})
            continue
        name = f"{task.dataset}-{name}" if target.is_image else subject.galaxy_id
        notes += notes_of(subject, settings)
        # A ready-made image has its one view.
        for view in range(1 if target.is_image else settings.views):
            try:
                with collect_log("mocks", notes):
                    stamps.append(_prepare_view(subject, name, view, task))
            except ValueError as error:
                reason = f"view {view}: {error}"
                failures.append({"source": target.path, "galaxy_id": name, "reason": reason})
    if not stamps:
        return Images(None, None, tuple(failures), tuple(notes))
    return Images(*collect_stamps(stamps), tuple(failures), tuple(notes))


def notes_of(subject: Galaxy | IdealImage, settings: MockSettings) -> list[tuple[int, str]]:
    """List what is assumed or doubtful about one galaxy or image, with levels as in `logging`."""
    is_image = isinstance(subject, IdealImage)
    said = subject.metadata["notes"] if is_image else subject.notes
    doubts = _foreign_filters(subject, settings) if is_image else []
    if not is_image and subject.gas is None and settings.dust.startswith("gas-column"):
        doubts.append(f"{subject.galaxy_id}: no gas was read with it, so no dust but that of birth clouds")
    return [*((logging.INFO, text) for text in said), *((logging.WARNING, text) for text in doubts)]


def _foreign_filters(ideal: IdealImage, settings: MockSettings) -> list[str]:
    """Say which bands were made for the filters of another survey."""
    ours, foreign = load_survey(settings.survey).bands, []
    for band, name in zip(ideal.bands, ideal.metadata.get("filters", ()), strict=False):
        family = filter_family(name)
        if family is not None and band in ours and not ours[band].filter.startswith(family):
            foreign.append(f"{name} ({band})")
    if not foreign:
        return []
    return [
        f"made for other filters than {settings.survey}'s: {', '.join(foreign)}; no colour term is applied"
    ]


def _prepare_view(subject: Galaxy | IdealImage, galaxy_id: str, view: int, task: Task) -> PreparedStamp:
    """One view of one galaxy, observed and prepared; raises as the real sample's preparation does."""
    settings, preparation = task.settings, task.preparation
    if isinstance(subject, Galaxy):
        cutout = mock_galaxy(
            subject,
            settings.survey,
            tuple(settings.bands),
            seed=settings.seed,
            redshift=settings.redshift,
            view_index=view,
            size=preparation.window,
            conditions=task.source,
            population=settings.population,
            dust=settings.dust,
            keep_stages=settings.stages,
        )
        row = _galaxy_row(subject, cutout.metadata)
    else:
        survey, bands = load_survey(settings.survey), tuple(settings.bands)
        conditions, sky = draw_state(
            survey, bands, stream(settings.seed, galaxy_id, "conditions"), task.source
        )
        options = {"keep_stages": settings.stages, "sky": sky}
        cutout = observe_image(subject, galaxy_id, preparation.window, conditions, settings, **options)
        row = {name: value for name, value in cutout.metadata.items() if isinstance(value, str | int | float)}
    _write_products(cutout, f"{galaxy_id}-view{view}", settings)
    stamp = RawStamp.from_cutout(cutout, galaxy_id, row)
    prepared = prepare_stamp(stamp, preparation, preparation_stream(settings.seed, galaxy_id, view))
    refuse_flagged(prepared, rejected_flags_of(settings.survey))
    split = assign_split(galaxy_id, settings.seed, task.fractions)
    return replace(prepared, row=prepared.row | {"dataset": task.dataset, "view": view, "split": split})


def _write_products(cutout: Cutout, name: str, settings: MockSettings) -> None:
    """Write one image as FITS and as a picture, as far as asked for."""
    name = file_name(name)
    if settings.fits or settings.stages:
        path = settings.out / "fits" / f"{name}.fits"
        path.parent.mkdir(exist_ok=True)
        write_fits(path, cutout)
    if settings.rgb:
        path = settings.out / "rgb" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        write_rgb(path, cutout, settings.rgb)


def observe_image(
    ideal: IdealImage,
    galaxy_id: str,
    size: int,
    conditions: ObservingConditions,
    settings: MockSettings,
    **options,
) -> Cutout:
    """Observe a ready-made image.

    Parameters
    ----------
    ideal : IdealImage
    galaxy_id : str
        Names the random streams.
    size : int
        Side of the image [pixels].
    conditions : ObservingConditions
    settings : MockSettings
    **options
        Of `mocks.observe`.

    Returns
    -------
    Cutout

    Raises
    ------
    ValueError
        For bands that the image does not have.
    """
    bands = tuple(settings.bands)
    missing = [band for band in bands if band not in ideal.bands]
    if missing:
        raise ValueError(f"the image has the bands {', '.join(ideal.bands)}, not {', '.join(missing)}.")
    ideal = replace(
        ideal, image=ideal.image[[ideal.bands.index(band) for band in bands]], bands=bands, flux_outside=None
    )
    survey = load_survey(settings.survey)
    fitted = fit_to_survey(
        ideal,
        survey,
        size,
        margin=max(len(psf) for psf in conditions.psf) // 2,
        redshift=settings.redshift,
        offset=tuple(stream(settings.seed, galaxy_id, "place").uniform(-0.5, 0.5, size=2)),
    )
    return observe(fitted, survey, conditions, stream(settings.seed, galaxy_id, "noise"), **options)


def _galaxy_row(galaxy: Galaxy, metadata: dict) -> dict:
    """Catalogue entries of a galaxy and its mock beside what is measured."""
    row = {name: value for name, value in galaxy.properties.items() if np.isscalar(value)}
    row |= {
        "simulation": galaxy.simulation,
        "snapshot": galaxy.snapshot,
        "subhalo_id": galaxy.subhalo_id,
        "n_stars": len(galaxy.stars),
        "n_gas": 0 if galaxy.gas is None else len(galaxy.gas),
        "redshift": metadata["redshift"],
        "dust": metadata["dust"],
        "population": metadata["population"],
        "light_clamped": metadata["light_clamped"],
        "conditions": metadata["conditions"],
    }
    row.setdefault("stellar_mass", float(galaxy.stars.mass.sum()))
    for band, magnitude in metadata["magnitude"].items():
        row[f"true_mag_{band}"] = magnitude
        row[f"light_outside_{band}"] = metadata["light_outside"][band]
    return row
