"""Units of images, parsed whole by `astropy.units` or refused."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u

from mocks.magnitudes import nanomaggies_of

__all__ = ["IMAGE_UNITS", "PixelUnit", "nanomaggies", "parse_unit"]

IMAGE_UNITS = (
    "nanomaggy",
    "maggy",
    "Jy",
    "mJy",
    "MJy/sr",
    "nanomaggy/arcsec2",
    "erg/s/cm2/Hz",
    "W/m2/micron/sr",
    "W/m2/arcsec2",
    "AB mag/arcsec2",
    "counts/s",
)
"""Examples for messages; any unit that converts to one of them is read, per pixel where it has no angle."""

# Words of the field, in this order, that astropy spells otherwise; no letter whose case tells milli from mega
WORDS = (
    (r"(?i)\bnano-?maggies\b|\bnano-?maggy\b|\bnmgy\b", "nmgy"),
    (r"(?i)\bmaggies\b|\bmaggy\b", "mgy"),
    (r"(?i)\bmicro-?jy\b", "uJy"),
    (r"(?i)\bnano-?jy\b", "nJy"),
    (r"\bJY\b", "Jy"),
    (r"(?i)\bcounts?\b", "ct"),
    (r"(?i)\badu\b|\bdn\b", "ct"),
    (r"(?i)\belectrons?\b", "ct"),
    (r"(?i)\bangstroms?\b|\bang\b", "Angstrom"),
    (r"\bA\b", "Angstrom"),  # no image is per ampere
    (r"(?i)\bmicrons?\b", "um"),
    (r"(?i)\bpixels?\b|\bpix\b", "pix"),
    (r"\bSR\b", "sr"),
    (r"(?i)\b(sq\.? ?arcsec|arcsec sq)\b", "arcsec2"),
)
MAGNITUDE = re.compile(r"(?i)(ab[ _]?)?mag(nitudes?)?( ?\(ab\))? ?(/ ?arcsec ?\^?2|arcsec ?\^?-2)")
NANOMAGGY = u.nmgy
JANSKY_OF_NANOMAGGY = 3631e-9  # AB: Oke & Gunn 1983, ApJ 266, 713
LUMINOUS = {u.solLum, u.pc, u.kpc, u.Mpc, u.lyr}  # luminosities, and areas of the source instead of the sky
AB_ASSUMED = "magnitudes without a system: AB assumed"
LAMBDA_F = "power per area without a width: lambda F_lambda assumed, as SKIRT writes it"


@dataclass(frozen=True)
class PixelUnit:
    """What one means in a pixel.

    Parameters
    ----------
    kind : str
        ``"flux"``, ``"spectral"`` (needs a wavelength to become AB), ``"counts"`` (needs zero points) or
        ``"magnitude"``.
    unit : astropy.units.UnitBase
        Of a pixel's flux, or of its surface brightness times steradian; without meaning for magnitudes.
    is_surface : bool
        Whether it is per solid angle instead of per pixel.
    note : str
        What had to be assumed.
    """

    kind: str
    unit: u.UnitBase
    is_surface: bool
    note: str = ""

    def nanomaggies(self, pixel_scale: float, wavelength: float | None = None) -> float:
        """Nanomaggies in a pixel of value one.

        Parameters
        ----------
        pixel_scale : float
            [arcsec].
        wavelength : float, optional
            Pivot wavelength of the band [Angstrom], for ``"spectral"``.
        """
        area = float((pixel_scale * u.arcsec).to(u.rad).value ** 2) if self.is_surface else 1.0
        if self.unit.is_equivalent(NANOMAGGY):
            return self.unit.to(NANOMAGGY) * area
        how = [] if wavelength is None else u.spectral_density(wavelength * u.Angstrom)
        return self.unit.to(u.Jy, equivalencies=how) * area / JANSKY_OF_NANOMAGGY


def _unknown(text: str, where: str, why: str) -> ValueError:
    known = ", ".join(IMAGE_UNITS)
    return ValueError(
        f"{where}: unit {text!r} is not known as one of an image ({why}); known: {known} and what "
        "converts to them. State the right one with unit= (--reader unit=...)."
    )


def parse_unit(text: str, where: str = "unit") -> PixelUnit:
    """Read the unit of an image.

    Parameters
    ----------
    text : str
        As a FITS file's BUNIT has it, such as ``"MJy/sr"``, ``"10*nanomaggy"``, ``"W/m2/micron/arcsec2"``.
    where : str
        File, for the message.

    Raises
    ------
    ValueError
        When it is not a flux or a surface brightness, wholly.

    Examples
    --------
    >>> parse_unit("MJy").nanomaggies(1.0) / parse_unit("mJy").nanomaggies(1.0)
    1000000000.0
    """
    stated = " ".join(str(text).split())
    plain = stated.replace("**", "^")
    if re.search(r"(?i)vega", plain):
        raise _unknown(text, where, "Vega magnitudes are not converted to AB here")
    if match := MAGNITUDE.fullmatch(plain):
        note = "" if match[1] or match[3] else AB_ASSUMED
        return PixelUnit("magnitude", u.mag, True, note)
    for word, ours in WORDS:
        plain = re.sub(word, ours, plain)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)  # several slashes are usual
            unit = u.Unit(plain)
    except (ValueError, TypeError) as error:
        wide = " and is mJy or MJy meant?" if re.search(r"(?i)mjy", plain) else ""
        raise _unknown(text, where, f"astropy cannot parse it{wide}") from error
    return _judge(text, unit, where)


def _judge(text: str, unit: u.UnitBase, where: str) -> PixelUnit:
    """Kind of a parsed unit."""
    if u.pix in unit.bases and unit.powers[unit.bases.index(u.pix)] == -1:
        unit = unit * u.pix
    if not isinstance(unit, u.UnitBase) or LUMINOUS & set(unit.bases):
        raise _unknown(text, where, "not a flux at the observer")
    for is_surface in (False, True):
        flux = unit * u.sr if is_surface else unit
        if flux.is_equivalent(NANOMAGGY) or flux.is_equivalent(u.Jy):
            return PixelUnit("flux", flux, is_surface)
        if flux.is_equivalent(u.W / u.m**3):
            return PixelUnit("spectral", flux, is_surface)
        if flux.is_equivalent(u.W / u.m**2):
            return PixelUnit("spectral", flux, is_surface, LAMBDA_F)
    if unit.is_equivalent(u.ct / u.s):
        return PixelUnit("counts", unit.to(u.ct / u.s) * u.ct / u.s, False)
    raise _unknown(text, where, "neither a flux nor a surface brightness")


def nanomaggies(
    image: np.ndarray,
    unit: str,
    pixel_scale: float,
    *,
    zeropoints: Sequence[float] | None = None,
    wavelengths: Sequence[float] | None = None,
    where: str = "image",
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Bring pixels to nanomaggies.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
    unit : str
        See `parse_unit`.
    pixel_scale : float
        [arcsec].
    zeropoints : sequence of float, optional
        AB magnitude of one count per second in each band.
    wavelengths : sequence of float, optional
        Pivot wavelength of each band [Angstrom], for densities per wavelength and for lambda F_lambda.
    where : str
        File, for messages.

    Returns
    -------
    ndarray, shape (band, y, x)
        [nanomaggies per pixel].
    tuple of str
        What had to be assumed.

    Raises
    ------
    ValueError
        For a unit that is not one of an image, lacks its zero points or wavelengths, or pixels not finite.
    """
    known = parse_unit(unit, where)
    notes = (known.note,) if known.note else ()
    if known.kind == "magnitude":
        if np.isnan(image).any() or (image == -np.inf).any():
            raise ValueError(f"{where}: NaN or -inf among the magnitudes; only inf (no light) is allowed.")
        return nanomaggies_of(image) * pixel_scale**2, notes  # inf becomes 0
    if not np.isfinite(image).all():
        raise ValueError(f"{where}: {np.count_nonzero(~np.isfinite(image))} pixels are not finite numbers.")
    if known.kind == "counts":
        if zeropoints is None:
            raise ValueError(
                f"{where}: counts per second need zeropoints=: the AB magnitude of one, for each band "
                "(--reader zeropoints=25.1,24.8)."
            )
        factors = known.unit.to(u.ct / u.s) * nanomaggies_of(np.asarray(zeropoints, float))
    elif known.kind == "spectral":
        if wavelengths is None:
            raise ValueError(
                f"{where}: {unit!r} is converted to AB at the wavelength of each band, which is not in the "
                "file; state them with wavelengths= [Angstrom] (--reader wavelengths=4702,6176)."
            )
        factors = [known.nanomaggies(pixel_scale, wavelength) for wavelength in wavelengths]
    else:
        factors = np.full(len(image), known.nanomaggies(pixel_scale))
    return image * np.asarray(factors, float)[:, None, None], notes
