"""From the units in which surveys state their pixels to nanomaggies: read whole, or refused."""

import re
import warnings

import numpy as np
from astropy import units as u

__all__ = ["is_counts", "nanomaggies_per_unit"]

AB_NANOMAGGY = 22.5
MAGGY = 3631.0 * u.Jy
_COUNTS = ("adu", "ct", "electron", "DN", "ph")  # units of a camera, which need a zero point

_MOST_ZEROPOINT = 70.0  # mag; far beyond any camera's and any system of units
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ZEROPOINT = re.compile(
    rf"(?:AB\s+)?(?:mag(?:nitude)?\s+)?zero[\s-]?point(?:\s*(?:of|is|=|:))?\s*({_NUMBER})(?:\s*AB)?"
    rf"(?:\s*mag(?:nitudes?)?)?(?:\s*AB)?",
    re.IGNORECASE,
)
# Words for pixels whose unit is what a zero point says, with what may stand before them.
_FLUX = re.compile(
    r"(?:AB|(?:(?:co-?add|calibrated|linear|pixel)\s+)*(?:flux(?:es)?|counts?))", re.IGNORECASE
)
# A remark in brackets behind the unit may say anything that does not alter the unit.
_REMARK = re.compile(r"^(.*\S)\s+\(([^()]*)\)$")
_ALTERS = re.compile(r"\d|[*/^]|\b(?:per|arcsec|sr|pixels?|log\w*|mag|inverse|unless)\b", re.IGNORECASE)
_VEGA = re.compile(r"vega|\bST\s*mag", re.IGNORECASE)
# How people write what astropy spells otherwise.
_SPELLINGS = (
    (r"nano-?magg(?:y|ies)|nmagg(?:y|ies)|nmgys?", "nmgy"),
    (r"magg(?:y|ies)", "mgy"),
    (r"(?:micro-?|[uµμ])(?:jansky|jy)s?", "uJy"),
    (r"(?:nano-?|n)(?:jansky|jy)s?", "nJy"),
    (r"(?<![a-z])(?:jansky|jy)s?", "Jy"),
    (r"milli-?(?:jansky|jy)s?", "mJy"),
    (r"mega-?(?:jansky|jy)s?", "MJy"),
    (r"\s+per\s+", " / "),
    (r"\bpixels?\b", "pix"),
    (r"\b(?:square|sq\.?)\s*arcsec(?:ond)?s?\b", "arcsec2"),
    (r"\bcounts?\b|\bcts\b", "ct"),
    (r"\badus?\b", "adu"),
    (r"\bdn\b", "DN"),
    (r"\be-(?!\d)|\bphoto-?electrons?\b|\belectrons?\b", "electron"),
    (r"\bsec(?:ond)?s?\b", "s"),
)


def nanomaggies_per_unit(
    unit: str, zeropoint: float | None = None, where: str = "", pixel_scale: float | None = None
) -> float:
    """Factor that turns pixel values into nanomaggies per pixel.

    Parameters
    ----------
    unit : str
        As stated: a unit that astropy knows (``nanomaggy``, ``10*nanomaggy``, ``uJy/pix``, ``MJy/sr``), words
        with an AB zero point (``"flux, AB zero point 27.0"``), or a unit of counts beside ``zeropoint``.
    zeropoint : float, optional
        AB magnitude of a value of one, where it is stated elsewhere; it must agree with what the unit says.
    where : str
        File, for the message.
    pixel_scale : float, optional
        [arcsec]; needed for surface brightness.

    Raises
    ------
    ValueError
        When neither a zero point nor a flux unit is stated, when they contradict each other, or a part of the
        text is not understood.
    """
    unit = " ".join(str(unit).split())
    if _VEGA.search(unit):
        raise _refusal(where, unit, "magnitudes must be AB; convert the pixels, or state their AB zero point")
    factor, area, zeropoints = None, 1.0, [] if zeropoint is None else [float(zeropoint)]
    for part in _parts(where, unit):
        if match := _ZEROPOINT.fullmatch(part):
            zeropoints.append(float(match[1]))
        elif not _FLUX.fullmatch(part):
            conversion = _flux_unit(where, unit, part, pixel_scale)
            if conversion is not None:
                factor, area = conversion
    if not (np.abs(zeropoints) < _MOST_ZEROPOINT).all():
        raise _refusal(where, unit, f"{zeropoints} is not a zero point [AB mag]")
    stated = [10 ** (-0.4 * (each - AB_NANOMAGGY)) for each in zeropoints]
    stated += [] if factor is None else [factor]
    if not stated:
        raise _refusal(
            where,
            unit,
            "state nanomaggies or an AB zero point (BUNIT, MAGZERO or FLUXMAG0 in FITS, attribute 'units' in "
            "HDF5, or --units 'zero point 27')",
        )
    if max(stated) > 1.01 * min(stated):
        magnitudes = " and ".join(f"{AB_NANOMAGGY - 2.5 * np.log10(each):.2f}" for each in stated)
        raise _refusal(
            where, unit, f"unit and zero points contradict each other: a value of one is AB {magnitudes}"
        )
    return area * stated[-1]


def is_counts(unit: str) -> bool:
    """Whether a text names a camera's counts, or a flux without its unit: nothing without a zero point."""
    try:
        nanomaggies_per_unit(unit, AB_NANOMAGGY, pixel_scale=1.0)
        nanomaggies_per_unit(unit, AB_NANOMAGGY + 5, pixel_scale=1.0)
    except ValueError:
        return False
    return True


def _refusal(where: str, unit: str, why: str) -> ValueError:
    """Error that names file, unit and remedy."""
    return ValueError(f"{where}: pixels in {unit or 'no stated unit'!r}; {why}.".removeprefix(": "))


def _parts(where: str, unit: str) -> list[str]:
    """Claims that a text makes: units, and zero points, of which one may stand in brackets."""
    text, remark = unit, ""
    if match := _REMARK.match(unit):
        text, remark = match.groups()
    parts = [part.strip() for part in re.split("[,;]", text) if part.strip()]
    # "coadd flux zero point 27" needs no comma.
    split = [
        None
        if _ZEROPOINT.fullmatch(part)
        else re.fullmatch(rf"(.*\S)\s+({_ZEROPOINT.pattern})", part, re.IGNORECASE)
        for part in parts
    ]
    parts = [
        each for part, two in zip(parts, split, strict=True) for each in ([two[1], two[2]] if two else [part])
    ]
    for part in filter(None, (part.strip() for part in re.split("[,;]", remark))):
        if _ZEROPOINT.fullmatch(part):
            parts.append(part)
        elif _ALTERS.search(part):
            raise _refusal(where, unit, f"the remark {part!r} is not understood")
    return parts


def _flux_unit(where: str, unit: str, part: str, pixel_scale: float | None) -> tuple[float, float] | None:
    """Nanomaggies of a unit, and the area [arcsec^2] that a pixel has of it; None for counts."""
    text = part
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text, flags=re.IGNORECASE)
    parsed = _parsed(text)
    if parsed is None:
        mend = "; write mJy (milli) or MJy (mega)" if re.search("mjy", part, re.IGNORECASE) else ""
        raise _refusal(where, unit, f"{part!r} is not a known unit of flux{mend}")
    # Pixels are what an image consists of.
    power = dict(zip(parsed.bases, parsed.powers, strict=True)).get(u.pix, 0)
    if power not in (0, -1):
        raise _refusal(where, unit, "it is not a flux per pixel")
    parsed = parsed * u.pix if power else parsed
    if (factor := _in_nanomaggies(parsed)) is not None:
        return factor, 1.0
    if (factor := _in_nanomaggies(parsed * u.arcsec**2)) is not None:
        if not pixel_scale:
            raise _refusal(where, unit, "surface brightness needs the pixel scale")
        return factor, pixel_scale**2
    if parsed.is_equivalent(u.dimensionless_unscaled) and parsed.scale == 1:
        return None
    rate = parsed if parsed.scale == 1 else None
    if rate is not None and any(rate in (u.Unit(each), u.Unit(each) / u.s) for each in _COUNTS):
        return None
    if any(_in_nanomaggies((parsed * one) ** 0.5) is not None for one in (u.one, u.arcsec**4)):
        raise _refusal(where, unit, "it is a variance, not a flux")
    if any(_in_nanomaggies((parsed * one) ** -0.5) is not None for one in (u.one, u.arcsec**-4)):
        raise _refusal(where, unit, "it is an inverse variance, not a flux")
    raise _refusal(where, unit, f"{part!r} cannot be turned into nanomaggies")


def _parsed(text: str) -> u.UnitBase | None:
    """Linear unit of a text by astropy; None when it has none of it."""
    # Small and capital letters of prefixes matter: mJy is no MJy, and mjy is either.
    if re.search(r"mjy", text, re.IGNORECASE) and not re.search(r"\b[mM]Jy", text):
        return None
    for form in ("fits", "generic"):
        try:
            with warnings.catch_warnings(action="ignore", category=u.UnitsWarning):
                parsed = u.Unit(text, format=form, parse_strict="raise")
        except (ValueError, TypeError):
            continue
        return parsed if isinstance(parsed, u.UnitBase) and u.mag not in parsed.decompose().bases else None
    return None


def _in_nanomaggies(unit: u.UnitBase) -> float | None:
    """Nanomaggies of a unit of flux; None for another unit."""
    try:
        return float(unit.to(u.nmgy, equivalencies=u.zero_point_flux(MAGGY)))
    except u.UnitConversionError:
        return None
