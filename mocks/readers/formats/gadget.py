"""Gadget and Gizmo snapshots of any origin: units from their attributes, or as the user says."""

import re
from pathlib import Path

from mocks.readers.formats.extract import ExtractSnapshot, open_extract
from mocks.readers.hdf5.snapshot import ALIASES
from mocks.readers.hdf5.units import KM, KPC, MSUN, Units

__all__ = ["open_gadget", "parse_unit"]

CGS = {
    "cm": 1.0 / KPC,
    "pc": 1e-3,
    "kpc": 1.0,
    "Mpc": 1e3,
    "g": 1.0 / MSUN,
    "Msun": 1.0,
    "cm/s": 1.0 / KM,
    "km/s": 1.0,
}
KINDS = {"length": ("cm", "pc", "kpc", "Mpc"), "mass": ("g", "Msun"), "velocity": ("cm/s", "km/s")}
NUMBER = r"(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*)?"


def parse_unit(text: str, kind: str) -> tuple[float, float, float]:
    """Read a unit such as ``"ckpc/h"``, ``"1e10 Msun/h"`` or ``"sqrt(a) km/s"``.

    Parameters
    ----------
    text : str
        Optional number, ``c`` for comoving or ``sqrt(a)``, unit, ``/h``.
    kind : str
        ``"length"``, ``"mass"`` or ``"velocity"``.

    Returns
    -------
    tuple (factor, a exponent, h exponent)
        To house units.

    Raises
    ------
    ValueError
        When it is not such a unit.

    Examples
    --------
    >>> parse_unit("1e10 Msun/h", "mass")
    (10000000000.0, 0.0, -1.0)
    """
    units = "|".join(sorted(KINDS[kind], key=len, reverse=True))
    match = re.fullmatch(rf"{NUMBER}(c|sqrt\(a\)\s*)?({units})(/h)?", text.strip())
    allowed = {"length": "c", "mass": "", "velocity": "sqrt(a)"}[kind]
    prefix = "" if match is None or match[2] is None else match[2].strip()
    if match is None or (prefix and prefix != allowed):
        raise ValueError(
            f"{text!r} is not a unit of {kind}; known units: {', '.join(KINDS[kind])}, with a number and "
            f"{allowed or 'nothing else'} before and /h behind where they apply: 'ckpc/h', '1e10 Msun/h', "
            "'sqrt(a) km/s'."
        )
    exponent = {"": 0.0, "c": 1.0, "sqrt(a)": 0.5}[prefix]
    return float(match[1] or 1.0) * CGS[match[3]], exponent, -1.0 if match[4] else 0.0


def open_gadget(
    path: Path,
    *,
    length: str | None = None,
    mass: str | None = None,
    velocity: str | None = None,
    fields: dict[str, str] | None = None,
    **options,
) -> ExtractSnapshot:
    """Open a generic Gadget or Gizmo snapshot (SIMBA, FIRE, Magneticum, ...).

    What the datasets' own attributes say comes first; the units given here are for those without, before the
    header's, and before ckpc/h, 1e10 Msun/h and sqrt(a) km/s.

    Parameters
    ----------
    path : Path
        HDF5 file, one of its chunks, or the folder of the chunks.
    length, mass, velocity : str, optional
        Units, see `parse_unit`.
    fields : dict of str, optional
        The file's names for fields that go by other names, for example ``{"birth": "StarAge"}``.
    **options
        Of `mocks.readers.formats.extract.open_extract`: ``simulation``, ``snapshot``, ``subhalo_id``,
        ``centre``, ``gas``, ``a``, ``h``, ``omega_m``, ``box_size``, ``linking_length`` (for a file with
        several galaxies), ``min_stars``, ``one_galaxy``, ``partial``.

    Raises
    ------
    ValueError
        For a unit that cannot be read, an unknown field, or a header that lacks what is needed.
    """
    unknown = sorted(set(fields or {}) - set(ALIASES))
    if unknown:
        raise ValueError(f"unknown fields {', '.join(unknown)}; known: {', '.join(ALIASES)}.")
    stated = {"length": length, "mass": mass, "velocity": velocity}
    parsed = {kind: parse_unit(text, kind) for kind, text in stated.items() if text is not None}
    units = Units(names=tuple((fields or {}).items()), declared=frozenset(parsed), **parsed)
    return open_extract(path, format="gadget", units=units, **options)
