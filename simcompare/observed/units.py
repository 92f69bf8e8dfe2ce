"""From the units in which surveys state their pixels to nanomaggies."""

import re

__all__ = ["nanomaggies_per_unit"]


def nanomaggies_per_unit(unit: str, zeropoint: float | None = None, where: str = "") -> float:
    """Factor that turns pixel values into nanomaggies.

    Parameters
    ----------
    unit : str
        As stated: ``nanomaggy``, or anything with its AB zero point, ``"flux, AB zero point 27.0"``.
    zeropoint : float, optional
        AB magnitude of a value of one; goes before what the words say.
    where : str
        File, for the message.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        When neither a zero point nor a known unit is stated.
    """
    if zeropoint is None:
        if re.search(r"nano-?magg(y|ies)|\bnmgy\b", unit, re.IGNORECASE):
            return 1.0
        if re.fullmatch(r"\s*(micro-?jy|ujy)\s*", unit, re.IGNORECASE):
            return 1 / 3.631
        match = re.search(r"zero\s?-?point\s*(?:of)?\s*([\d.]+)", unit, re.IGNORECASE)
        if match is None:
            raise ValueError(
                f"{where}: pixels in {unit or 'no stated unit'!r}; state nanomaggies or an AB zero point "
                "(BUNIT, MAGZERO or FLUXMAG0 in FITS, attribute 'units' in HDF5)."
            )
        zeropoint = float(match.group(1).rstrip("."))
    return 10 ** (-0.4 * (zeropoint - 22.5))
