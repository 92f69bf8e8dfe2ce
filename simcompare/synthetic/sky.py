"""Patches of real sky for mocks, cut from survey images on local disk: asked for, or as galaxies are cut."""

import logging
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import numpy as np

from mocks import SkyBank, load_survey, stream
from mocks.survey_files.hsc_coadds import hsc_sky_bank, open_psf
from mocks.survey_files.sdss_frames import FRAME_NAME, frame_siblings, open_frame
from mocks.survey_files.sdss_sky import sdss_sky_bank
from mocks.surveys import FRAMES
from simcompare.observed.detect import empirical_psf, find_candidates, psfield_of
from simcompare.runs.files import atomic_path
from simcompare.settings import SkySettings

__all__ = ["MOST_FIELDS", "MOST_PATCHES", "PER_FIELD", "field_files", "make_sky_bank"]

logger = logging.getLogger(__name__)

# Of the sky kept with prepared images: 200 MB in three bands.
MOST_FIELDS, MOST_PATCHES, PER_FIELD = 40, 2000, 200


def make_sky_bank(settings: SkySettings) -> SkyBank:
    """Cut a bank of real sky, the same places in all bands, and write it to one file.

    Raises
    ------
    FileNotFoundError, ValueError
        When no input holds images of the survey, or no place is free. A field that fails is skipped and
        logged as long as another serves.
    """
    bands = settings.filters
    survey = load_survey(settings.survey)
    survey.select(bands)
    if survey.frames is None:
        raise ValueError(
            f"{survey.source} does not say what whole images of {survey.name} are, from which to cut sky; "
            f"write frames = {' or '.join(map(repr, FRAMES))} into a survey file of your own."
        )
    banks, problems = [], []
    for name, make in FIELDS[survey.frames](field_files(settings.inputs), bands, settings):
        try:
            banks.append(make(stream(settings.seed, "sky", name)))
            logger.info("%s: %d patches of %d pixels", name, len(banks[-1]), settings.size)
        except (ValueError, FileNotFoundError) as error:
            problems.append(f"{name}: {error}")
            logger.warning("skipped %s", problems[-1])
    if not banks:
        reason = "; ".join(problems) or f"there are no {FRAMES[survey.frames]}"
        raise ValueError(f"no sky in {', '.join(map(str, settings.inputs))}: {reason}.")
    bank = _joined(banks)
    with atomic_path(settings.out) as path:
        bank.save(path)
    return bank


def field_files(inputs: list[Path]) -> list[Path]:
    """Files of the inputs, those of folders included."""
    files = []
    for path in inputs:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist.")
        files += sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return files


def _sdss_fields(files: list[Path], bands: tuple[str, ...], settings: SkySettings):
    """Fields of SDSS frames, each with what cuts it."""
    frames = {match.groups()[1:4]: path for path in files if (match := FRAME_NAME.search(path.name))}
    for field, path in sorted(frames.items()):

        def make(rng, path=path):
            siblings = dict(zip(bands, frame_siblings(path, bands), strict=True))
            psf = psfield_of(path)
            if psf is None:
                images = {band: open_frame(file).image for band, file in siblings.items()}
                psf = {band: empirical_psf(image, find_candidates(image)) for band, image in images.items()}
            return sdss_sky_bank(siblings, psf, settings.size, settings.per_field, rng, clear=settings.clear)

        yield f"SDSS {'-'.join(field)}", make


def _hsc_fields(files: list[Path], bands: tuple[str, ...], settings: SkySettings):
    """Patches of HSC coadds, ``<name>-<band>.fits`` with ``<name>-<band>-psf.fits`` beside it."""
    patches = defaultdict(dict)
    for path in files:
        name, _, band = path.name.split(".fits")[0].rpartition("-")
        if name and band in bands and ".fits" in path.name:
            patches[path.parent / name][band] = path
    for name, paths in sorted(patches.items()):

        def make(rng, name=name, paths=paths):
            missing = [band for band in bands if band not in paths]
            if missing:
                raise FileNotFoundError(f"the coadd of band {', '.join(missing)} is missing.")
            psf = {band: open_psf(name.with_name(f"{name.name}-{band}-psf.fits")) for band in bands}
            ordered = {band: paths[band] for band in bands}
            size, n, survey = settings.size, settings.per_field, settings.survey
            return hsc_sky_bank(ordered, psf, size, n, rng, clear=settings.clear, survey=survey)

        yield name.name, make


FIELDS = {"sdss-frame": _sdss_fields, "hsc-coadd": _hsc_fields}
"""What finds the fields among files, by the kinds of ``mocks.surveys.FRAMES``."""


def _joined(banks: list[SkyBank]) -> SkyBank:
    """Patches of all fields in one bank, PSF images padded to one side."""
    side = max(bank.psf.shape[-1] for bank in banks)
    columns = {}
    for item in fields(SkyBank):
        if item.name == "bands":
            continue
        parts = [np.asarray(getattr(bank, item.name)) for bank in banks]
        if item.name == "psf":
            parts = [_padded(part, (side - part.shape[-1]) // 2) for part in parts]
        columns[item.name] = np.concatenate(parts)
    return SkyBank(bands=banks[0].bands, **columns)


def _padded(psf: np.ndarray, rim: int) -> np.ndarray:
    """PSF images (n, band, k, k) with a rim of zeros."""
    return np.pad(psf, ((0, 0), (0, 0), (rim, rim), (rim, rim)))
