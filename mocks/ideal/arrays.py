"""Ideal images from arrays with a stated unit."""

from collections.abc import Sequence

import numpy as np
from astropy import units as u

from mocks.ideal.bands import parse_bands
from mocks.ideal.record import IdealImage
from mocks.ideal.units import nanomaggies

__all__ = ["ideal_image_from_array"]

MOST_NEGATIVE = 1e-6  # relative to the largest pixel; resampling of noiseless images leaves this


def ideal_image_from_array(
    image: np.ndarray,
    bands: str | Sequence[str],
    *,
    unit: str,
    pixel_scale: float,
    zeropoints: Sequence[float] | None = None,
    wavelengths: Sequence[float] | None = None,
    redshift: float | None = None,
    source: str = "array",
    **metadata,
) -> IdealImage:
    """Make an ideal image from an array with a stated unit.

    Parameters
    ----------
    image : ndarray, shape (band, y, x) or (y, x)
        Noiseless and unblurred; no pixel masked.
    bands : str or sequence of str
        As the survey names them.
    unit : str
        Such as `mocks.ideal.units.IMAGE_UNITS`; per pixel where no area is in it.
    pixel_scale : float
        [arcsec].
    zeropoints : sequence of float, optional
        AB magnitude of one count per second in each band, for ``"counts/s"``.
    wavelengths : sequence of float, optional
        Pivot wavelength of each band [Angstrom], for units such as ``"W/m2/micron/sr"``.
    redshift : float, optional
        At which the image was made.
    source : str
        Where it comes from.
    **metadata
        Kept with the image.

    Returns
    -------
    IdealImage
        On its own pixels; `fit_to_survey` brings it to a survey's. The ``notes`` in its metadata say what was
        assumed.

    Raises
    ------
    ValueError
        For an unknown unit, pixels that are masked, not finite or negative, or shapes that do not agree.
    """
    n_masked = np.count_nonzero(np.broadcast_to(getattr(image, "mask", False), np.shape(image)))
    if n_masked:
        raise ValueError(f"{source}: {n_masked} pixels are masked; fill them, with 0 where no light is.")
    own = getattr(image, "unit", None)
    if own is not None and str(own) != unit and u.Unit(unit, parse_strict="silent") != own:
        raise ValueError(f"{source}: the image is in {own}, but the unit stated is {unit}.")
    image = (
        np.atleast_3d(np.asarray(image, dtype=float).T).T if np.ndim(image) == 2 else np.asarray(image, float)
    )
    bands = parse_bands(bands)
    if image.ndim != 3 or len(image) != len(bands):
        raise ValueError(
            f"{source}: image of shape {image.shape} for {len(bands)} bands {bands}; (band, y, x) is needed."
        )
    if not np.isfinite(pixel_scale) or pixel_scale <= 0:
        raise ValueError(f"{source}: pixel_scale is {pixel_scale}; it must be positive [arcsec].")
    per_band = {"zeropoints": zeropoints, "wavelengths": wavelengths}
    for name, values in per_band.items():
        if values is not None and np.shape(values) != (len(bands),):
            raise ValueError(f"{source}: {np.size(values)} {name} for {len(bands)} bands.")
    flux, notes = nanomaggies(image, unit, pixel_scale, **per_band, where=source)
    if flux.min() < -MOST_NEGATIVE * flux.max() or flux.max() <= 0:
        raise ValueError(
            f"{source}: pixels reach from {flux.min():.3g} to {flux.max():.3g} nanomaggies; is it noiseless?"
        )
    if dark := [band for band, plane in zip(bands, flux, strict=True) if not plane.any()]:
        raise ValueError(f"{source}: no light at all in {', '.join(dark)}.")
    record = {"source": source, "unit": unit, "redshift": redshift} | metadata
    record["notes"] = (*metadata.get("notes", ()), *notes)
    return IdealImage(image=flux, pixel_scale=float(pixel_scale), bands=bands, metadata=record)
