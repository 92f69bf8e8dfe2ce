"""Simulated galaxies to an image set: observed as the survey would, prepared as real images are."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
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
from mocks.ideal.scale import COSMOLOGY
from mocks.pipeline import share_outside
from mocks.products import write_fits, write_rgb
from mocks.readers import centred_on, fit_to_survey
from mocks.readers.examination import doubts_of_galaxy, doubts_of_image
from simcompare.images.build import Images
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample
from simcompare.images.stamps import PreparedStamp, RawStamp
from simcompare.runs.names import file_name
from simcompare.runs.time_limit import Watch
from simcompare.settings import MockSettings, SkySettings
from simcompare.synthetic.observing import Found, Make, Source, observe_all, read_bank
from simcompare.synthetic.sky import make_sky_bank
from simcompare.synthetic.targets import Target, read_target

__all__ = [
    "Task",
    "lost_light",
    "make_images",
    "n_views",
    "nebular_light",
    "observe_image",
    "read_galaxy",
    "sky_file",
    "target_sources",
]

logger = logging.getLogger(__name__)

TOO_FAINT = 0.5  # mag; real Petrosian magnitudes miss a tenth of the light of steep profiles


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
    def sample(self) -> Sample:
        """What its images have in common."""
        return Sample(
            self.dataset, self.preparation, self.settings.survey, self.settings.seed, self.fractions
        )

    @property
    def sources(self) -> list[Source]:
        """What it reads."""
        return target_sources(self.targets, self.dataset)

    @property
    def bank(self) -> ConditionsBank | SkyBank | None:
        """What the conditions of each image are drawn from; None is the survey file."""
        return read_bank(self.settings.conditions, self.sky)


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
        logger.info("synthetic sky %s; use --sky for real sky", origin)
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
    bank = read_bank(None, path)
    logger.info("real sky: %d patches of %s", len(bank), path)
    missing = [band for band in settings.filters if band not in bank.bands]
    if missing or bank.image.shape[-1] < window:
        raise ValueError(
            f"{path} holds patches of {bank.image.shape[-1]} pixels in {''.join(bank.bands)}; images of "
            f"{settings.size} pixels in {settings.bands} need {window}: simcompare sky --size {window}."
        )
    return path


def make_images(task: Task, watch: Watch) -> Images:
    """Observe and prepare all views of the galaxies of one part."""
    return observe_all(
        task.sources,
        partial(read_galaxy, task.settings, task.dataset),
        partial(_views, task),
        watch,
    )


def target_sources(targets: Iterable[Target], dataset: str) -> list[Source]:
    """Targets as sources of `observe_all`."""
    return [
        Source(target, target.path, target.label(dataset), (target.path, *target.others), target.state)
        for target in targets
    ]


def read_galaxy(settings: MockSettings, dataset: str, target: Target) -> Iterator[Found]:
    """Read one galaxy, with all that its views share, for `observe_all`."""
    subject = read_target(target, settings)
    if isinstance(subject, Galaxy):
        name, subject = subject.galaxy_id, with_smoothing_lengths(subject)
    else:
        name = f"{dataset}-{target.label(dataset)}"
    yield Found(name, subject, tuple(notes_of(subject, settings)))


def notes_of(subject: Galaxy | IdealImage, settings: MockSettings) -> list[tuple[int, str]]:
    """List what is assumed or doubtful about one galaxy or image, with levels as in `logging`."""
    is_image = isinstance(subject, IdealImage)
    notes = subject.metadata["notes"] if is_image else subject.notes
    if is_image:
        doubts = _foreign_filters(subject, settings) + doubts_of_image(subject)
    else:
        doubts = [f"{subject.galaxy_id}: {text}" for text in doubts_of_galaxy(subject)]
    if is_image and settings.redshift is not None:
        assumed = f"H0 = {COSMOLOGY.H0.value:g}, Omega_m = {COSMOLOGY.Om0:g}, which are assumed"
        notes = [*notes, f"moved to another redshift by the distances of {assumed}"]
    if not is_image and subject.gas is None and settings.dust.startswith("gas-column"):
        doubts.append(f"{subject.galaxy_id}: no gas was read with it, so no dust but that of birth clouds")
    return [*((logging.INFO, text) for text in notes), *((logging.WARNING, text) for text in doubts)]


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


def n_views(subject: Galaxy | IdealImage, settings: MockSettings) -> int:
    """Count the views of a galaxy; a ready-made image has its one."""
    return len(settings.directions) if isinstance(subject, Galaxy) else 1


def _views(task: Task, galaxy_id: str, subject: Galaxy | IdealImage) -> Iterator[tuple[str, Make]]:
    """List the views of one galaxy."""
    for view in range(n_views(subject, task.settings)):
        yield f"view {view}", partial(_prepare_view, task, galaxy_id, subject, view)


def _prepare_view(task: Task, galaxy_id: str, subject: Galaxy | IdealImage, view: int) -> PreparedStamp:
    """One view of one galaxy, observed and prepared."""
    settings, size = task.settings, task.preparation.window
    if isinstance(subject, Galaxy):
        cutout = mock_galaxy(
            subject,
            settings.survey,
            settings.filters,
            seed=settings.seed,
            redshift=settings.redshift,
            view=settings.directions[view],
            view_index=view,
            size=size,
            conditions=task.bank,
            population=settings.population,
            dust=settings.dust,
            keep_stages=settings.stages,
        )
        row = _galaxy_row(subject, cutout.metadata) | {"direction": settings.directions[view]}
        row |= _companions(cutout.metadata, settings)
    else:
        survey, bands = load_survey(settings.survey), settings.filters
        conditions, sky = draw_state(survey, bands, stream(settings.seed, galaxy_id, "conditions"), task.bank)
        options = {"keep_stages": settings.stages, "sky": sky}
        cutout = observe_image(subject, galaxy_id, size, conditions, settings, **options)
        row = {name: value for name, value in cutout.metadata.items() if isinstance(value, str | int | float)}
        row |= _light(cutout.metadata)
    _write_products(cutout, f"{galaxy_id}-view{view}", settings)
    stamp = RawStamp.from_cutout(cutout, galaxy_id, row)
    if isinstance(subject, Galaxy):
        pixel = cutout.pixel_scale * cutout.metadata["kpc_per_arcsec"]
        stamp = replace(stamp, half_mass_radius=subject.properties["half_mass_radius"] / pixel)
    return task.sample.prepare(stamp, view)


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

    Raises
    ------
    ValueError
        For bands that the image does not have.
    """
    bands = settings.filters
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
    cutout = observe(fitted, survey, conditions, stream(settings.seed, galaxy_id, "noise"), **options)
    outside = dict(zip(bands, share_outside(fitted).tolist(), strict=True))
    return replace(cutout, metadata=cutout.metadata | {"light_outside": outside})


def _galaxy_row(galaxy: Galaxy, metadata: dict) -> dict:
    """Catalogue entries of a galaxy and its mock beside what is measured."""
    row = {name: value for name, value in galaxy.properties.items() if np.isscalar(value)}
    row |= {
        "simulation": galaxy.simulation,
        "snapshot": galaxy.snapshot,
        "subhalo_id": galaxy.subhalo_id,
        "n_stars": len(galaxy.stars),
        "centred_on": centred_on(galaxy),
        "n_gas": 0 if galaxy.gas is None else len(galaxy.gas),
        "redshift": metadata["redshift"],
        "dust": metadata["dust"],
        "population": metadata["population"],
        "light_clamped": metadata["light_clamped"],
        "conditions": metadata["conditions"],
    }
    row.setdefault("stellar_mass", float(galaxy.stars.mass.sum()))
    return row | _light(metadata)


def _companions(metadata: dict, settings: MockSettings) -> dict:
    """Catalogue entries of stars that are not the galaxy's, where they were asked for."""
    if not settings.companions:
        return {}
    flux, count = metadata.get("companion_flux", {}), metadata.get("n_companion_stars", 0)
    return {"n_companion_stars": count} | {f"companion_flux_{b}": flux.get(b, 0.0) for b in settings.filters}


def _light(metadata: dict) -> dict:
    """Catalogue entries of all the light there is, and of the share that the image does not show."""
    outside = metadata["light_outside"]
    row = {f"true_mag_{band}": metadata["magnitude"][band] for band in outside}
    row |= {f"light_nebular_{band}": share for band, share in metadata.get("light_nebular", {}).items()}
    return row | {f"light_outside_{band}": share for band, share in outside.items()}


def nebular_light(images: ImageSet) -> str:
    """Say how much of the light of mocks is from ionised gas; empty where none is.

    Parameters
    ----------
    images : ImageSet
        Of mocks.

    Returns
    -------
    str
        Median and largest share in each band, before dust.
    """
    names = [f"light_nebular_{band}" for band in images.bands]
    if not set(names) <= set(images.catalogue.colnames):
        return ""
    table = images.columns(*names)
    if not any(np.nanmax(table[name]) > 0 for name in names):
        return ""
    shares = ", ".join(
        f"{100 * np.nanmedian(table[name]):.1f} % in {band} (at most {100 * np.nanmax(table[name]):.1f} %)"
        for band, name in zip(images.bands, names, strict=True)
    )
    return (
        f"ionised gas around young stars gives {shares} of the light before dust; --no-nebular leaves it out"
    )


def lost_light(images: ImageSet) -> str:
    """Say of which mocks much light is not in the magnitude; empty where of none.

    Parameters
    ----------
    images : ImageSet
        Of mocks.

    Returns
    -------
    str
        How many, and the worst of them.
    """
    names = [(f"mag_{band}", f"true_mag_{band}", f"light_outside_{band}") for band in images.bands]
    table = images.columns(*(name for three in names for name in three))
    faint = np.array([table[measured] - table[true] for measured, true, _ in names])  # (band, n)
    worst = np.nan_to_num(faint, nan=-np.inf).max(axis=0)
    count = np.count_nonzero(worst > TOO_FAINT)
    if not count:
        return ""
    index = int(np.argmax(worst))
    band = int(np.argmax(np.nan_to_num(faint[:, index], nan=-np.inf)))
    share = table[names[band][2]][index]
    name = images.catalogue["galaxy_id"][index]
    return (
        f"{count} of {len(images)} images are measured more than {TOO_FAINT} mag too faint, {name} by "
        f"{worst[index]:.1f} in {images.bands[band]}: {100 * share:.0f} % of its light is outside the image, "
        "the rest taken for sky, or for neighbours (columns light_outside, true_mag)"
    )
