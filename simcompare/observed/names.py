"""Names of real galaxies."""

import numpy as np

__all__ = ["coordinate_name", "word"]


def coordinate_name(survey: str, ra: float, dec: float) -> str:
    """Name of a galaxy by its place on the sky, for example ``SDSS-J074440.62+440839.8``.

    Parameters
    ----------
    survey : str
        Goes in front.
    ra, dec : float
        ICRS [deg].

    Returns
    -------
    str
        Right ascension to 0.01 s and declination to 0.1 arcsec, rounded.
    """
    ticks = round(ra % 360 / 15 * 360_000) % (24 * 360_000)
    hours, rest = divmod(ticks, 360_000)
    minutes, seconds = divmod(rest, 6000)
    degrees, rest = divmod(round(abs(dec) * 36_000), 36_000)
    arcmin, arcsec = divmod(rest, 600)
    sign = "-" if dec < 0 else "+"
    right_ascension = f"{hours:02d}{minutes:02d}{seconds / 100:05.2f}"
    return f"{survey}-J{right_ascension}{sign}{degrees:02d}{arcmin:02d}{arcsec / 10:04.1f}"


def word(value) -> str:
    """Text of an HDF5 string, however it is stored."""
    return value.decode() if isinstance(value, bytes | np.bytes_) else str(value)
