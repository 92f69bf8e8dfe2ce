"""Ready-made images onto a survey's pixels and to another redshift."""

import numpy as np
from astropy.cosmology import FLRW

from mocks.ideal.record import IdealImage
from mocks.ideal.scale import COSMOLOGY
from mocks.magnitudes import magnitude_of

__all__ = ["fit_to_survey"]


def _overlap(n_in: int, n_out: int, ratio: float, shift: float) -> np.ndarray:
    """Share of each input pixel that falls into each output pixel, both grids about one centre.

    Parameters
    ----------
    n_in, n_out : int
        Pixels.
    ratio : float
        Input over output pixel size.
    shift : float
        Of the input's centre [output pixels].

    Returns
    -------
    ndarray, shape (n_out, n_in)
    """
    edges_in = (np.arange(n_in + 1) - n_in / 2) * ratio + n_out / 2 + shift
    left, right = np.arange(n_out)[:, None], np.arange(1, n_out + 1)[:, None]
    return np.clip(np.minimum(right, edges_in[1:]) - np.maximum(left, edges_in[:-1]), 0.0, None) / ratio


def fit_to_survey(
    ideal: IdealImage,
    survey,
    size: int,
    *,
    oversampling: int = 3,
    margin: int = 20,
    redshift: float | None = None,
    cosmology: FLRW = COSMOLOGY,
    offset: tuple[float, float] = (0.0, 0.0),
) -> IdealImage:
    """Bring a ready-made image onto a survey's fine pixels, sharing each pixel's light by area.

    Moving it to another redshift scales sizes by the angular and light by the luminosity distance; colours
    stay those of the redshift at which it was made (no k-correction).

    Parameters
    ----------
    ideal : IdealImage
        On its own pixels.
    survey : Survey
        For its pixel scale.
    size : int
        Side of the survey image [pixels].
    oversampling : int
        Fine pixels per survey pixel and axis.
    margin : int
        Survey pixels around the image for light that the PSF carries in.
    redshift : float, optional
        Where to place the galaxy; its own when left out.
    cosmology : astropy.cosmology.FLRW
        For distances.
    offset : tuple of float
        Shift (y, x) of the centre [survey pixels].

    Returns
    -------
    IdealImage
        ``flux_outside`` is the light beyond its grid.

    Raises
    ------
    ValueError
        When it shall be moved and its own redshift is not known.
    """
    pixel_scale, dimming, metadata = ideal.pixel_scale, 1.0, dict(ideal.metadata)
    if redshift is not None:
        own = metadata.get("redshift")
        if own is None or own <= 0 or redshift <= 0:
            raise ValueError(
                f"{metadata.get('source')}: cannot be moved from redshift {own} to {redshift}; both must be "
                "known and positive. State the first when reading, with redshift=."
            )
        angular = cosmology.angular_diameter_distance([own, redshift]).value
        luminous = cosmology.luminosity_distance([own, redshift]).value
        pixel_scale *= angular[0] / angular[1]
        dimming = (luminous[0] / luminous[1]) ** 2
        metadata |= {"redshift": redshift, "k_correction": "none" if redshift != own else "not needed"}
    fine = survey.pixel_scale / oversampling
    side = (size + 2 * margin) * oversampling
    n_y, n_x = ideal.image.shape[1:]
    rows, columns = (
        _overlap(n, side, pixel_scale / fine, shift * oversampling)
        for n, shift in zip((n_y, n_x), offset, strict=True)
    )
    image = dimming * np.einsum("ai,bij,cj->bac", rows, ideal.image, columns, optimize=True)
    total = dimming * ideal.image.sum(axis=(1, 2))
    with np.errstate(divide="ignore"):
        metadata["magnitude"] = dict(zip(ideal.bands, magnitude_of(total).tolist(), strict=True))
    return IdealImage(
        image=image,
        pixel_scale=fine,
        bands=ideal.bands,
        oversampling=oversampling,
        margin=margin,
        flux_outside=np.maximum(total - image.sum(axis=(1, 2)), 0.0),
        source_pixel=pixel_scale / fine,
        metadata=metadata,
    )
