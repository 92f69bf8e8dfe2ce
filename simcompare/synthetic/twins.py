"""Sersic twins: real galaxies made smooth, observed and prepared as the real ones were."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mocks import ObservingConditions, observe, stream
from mocks.observing.background import faint_sources
from simcompare.images.image_set import ImageSet, Stack
from simcompare.images.preparation.flags import refuse_flagged, rejected_flags_of
from simcompare.images.preparation.prepare import preparation_stream, prepare_stamp
from simcompare.images.preparation.sersic import SersicFit, SersicProfile, fit_sersic, ideal_image
from simcompare.images.stamps import PreparedStamp, RawStamp, RejectedStampError

__all__ = ["fit_galaxy", "make_twin", "twin_stamps"]

log = logging.getLogger(__name__)


def fit_galaxy(stack: Stack, row: Mapping, bands: tuple[str, ...], pixel_scale: float) -> list[SersicFit]:
    """Fit one prepared galaxy in each of its bands, starting from its measured size and shape.

    Parameters
    ----------
    stack : Stack
        Of this one image.
    row : mapping
        Its row of the catalogue.
    bands : tuple of str
        Of the image set.
    pixel_scale : float
        [arcsec].

    Returns
    -------
    list of SersicFit
        One per band.
    """
    measured = float(row["half_light_radius"]) / pixel_scale
    fits = []
    for i, band in enumerate(bands):
        blur = float(row[f"psf_fwhm_{band}"]) / pixel_scale
        # Half of the light of a point source lies within about 0.6 FWHM.
        radius = np.sqrt(max(measured**2 - (0.6 * blur) ** 2, 0.25)) if np.isfinite(measured) else blur
        start = SersicProfile(
            x=float(row["centre_x"]),
            y=float(row["centre_y"]),
            flux=1.0,
            radius=radius,
            index=1.5,
            axis_ratio=float(row["axis_ratio"]),
            position_angle=float(row["position_angle"]),
        )
        above = stack.image[0, i] - float(row[f"sky_level_{band}"])
        fits.append(fit_sersic(above, stack.variance[0, i], stack.mask[0, i], stack.psf[0, i], start))
    return fits


def make_twin(stack: Stack, row: Mapping, images: ImageSet, seed: int) -> PreparedStamp:
    """Twin of one prepared galaxy: fitted, rendered, observed under the same sky and PSF, and prepared.

    Parameters
    ----------
    stack : Stack
        Of this one image.
    row : mapping
        Its row of the catalogue.
    images : ImageSet
        That the galaxy is from; gives survey, bands, scale and preparation.
    seed : int
        Of the twin's noise; its streams are not those of its parent.

    Returns
    -------
    PreparedStamp
        Its row has the parent's name, place and split, and the fit of each band.

    Raises
    ------
    RejectedStampError
        When the fit has no positive flux, or the twin cannot be prepared or found.
    """
    bands, preparation = images.bands, images.preparation
    galaxy_id = str(row["galaxy_id"])
    fits = fit_galaxy(stack, row, bands, images.pixel_scale)
    if any(fit.profile.flux <= 0 for fit in fits):
        raise RejectedStampError("Sersic fit without positive flux")
    margin = (preparation.window - preparation.size) // 2
    profiles = [replace(fit.profile, x=fit.profile.x + margin, y=fit.profile.y + margin) for fit in fits]
    ideal = ideal_image(profiles, bands, images.pixel_scale, preparation.window)
    conditions = _conditions(stack, row, images)
    cutout = observe(ideal, images.survey_record, conditions, stream(seed, galaxy_id, "twin", "noise"))
    level = np.array([float(row[f"sky_level_{band}"]) for band in bands])
    cutout = replace(cutout, image=cutout.image + level[:, None, None].astype(np.float32))
    stamp = RawStamp.from_cutout(cutout, galaxy_id, _fit_columns(fits, bands, images.pixel_scale))
    stamp = replace(stamp, ra=float(row["ra"]), dec=float(row["dec"]))
    prepared = prepare_stamp(stamp, preparation, preparation_stream(seed, f"twin of {galaxy_id}"))
    refuse_flagged(prepared, rejected_flags_of(images.survey_record))
    return replace(prepared, row=prepared.row | {"view": int(row["view"]), "split": str(row["split"])})


def _conditions(stack: Stack, row: Mapping, images: ImageSet) -> ObservingConditions:
    """Sky, PSF and camera of one prepared image."""
    bands = images.bands
    quantum = stack.quantum[0].astype(float)
    # The measured noise holds the dither's variance, which the twin's preparation adds again.
    dither = quantum**2 / 12 if images.preparation.dither else 0.0
    measured = np.array([float(row[f"sky_sigma_{band}"]) for band in bands])
    survey = images.survey_record
    typical = {band.name: band.gain[0] * band.counts_per_nanomaggy for band in survey.select(bands)}
    names = set(row.colnames) if hasattr(row, "colnames") else set(row)
    electrons = [
        float(row[f"electrons_per_nanomaggy_{band}"])
        if f"electrons_per_nanomaggy_{band}" in names
        else typical[band]
        for band in bands
    ]
    psf = stack.psf[0].astype(float)
    return ObservingConditions(
        bands=bands,
        psf=tuple(each / each.sum() for each in psf),
        psf_fwhm=np.array([float(row[f"psf_fwhm_{band}"]) for band in bands]),
        sky_sigma=np.sqrt(np.maximum(measured**2 - dither, quantum**2 / 12)),
        electrons_per_nanomaggy=np.array(electrons),
        nanomaggies_per_count=quantum,
        faint=faint_sources(survey, bands),
        origin=f"{images.name} {row['galaxy_id']}",
    )


def _fit_columns(fits: list[SersicFit], bands: tuple[str, ...], pixel_scale: float) -> dict:
    """Catalogue columns of the fits."""
    columns = {}
    for fit, band in zip(fits, bands, strict=True):
        columns |= {
            f"sersic_mag_{band}": float(22.5 - 2.5 * np.log10(fit.profile.flux)),
            f"sersic_n_{band}": fit.profile.index,
            f"sersic_radius_{band}": fit.profile.radius * pixel_scale,
            f"sersic_axis_ratio_{band}": fit.profile.axis_ratio,
            f"sersic_chi2_{band}": fit.reduced_chi2,
            f"sersic_flag_{band}": fit.flag,
        }
    return columns


def twin_stamps(images: ImageSet, seed: int) -> tuple[list[PreparedStamp], list[dict]]:
    """Twins of all galaxies of an image set, held in memory.

    Parameters
    ----------
    images : ImageSet
        Of real galaxies; take a subset to stay small.
    seed : int
        Of the twins' noise.

    Returns
    -------
    stamps : list of PreparedStamp
    failures : list of dict
        galaxy_id and reason of the galaxies without a twin.
    """
    stamps, failures = [], []
    for i, row in enumerate(images.catalogue):
        try:
            stamps.append(make_twin(images.read(i), row, images, seed))
        except RejectedStampError as reason:
            failures.append({"galaxy_id": str(row["galaxy_id"]), "reason": str(reason)})
    return stamps, failures
