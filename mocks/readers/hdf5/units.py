"""Units of the Gadget family, by a dataset's attributes, the user, the file's header, or a code's custom."""

from dataclasses import dataclass, replace

import h5py
import numpy as np

from mocks.readers.hdf5.attributes import attribute

__all__ = ["CGS", "KM", "KPC", "MSUN", "SAME_UNIT", "Units", "conversion", "header_units", "unit_factor"]

KPC, MSUN, KM = 3.0856775814913673e21, 1.988409870698051e33, 1e5  # cgs; IAU 2015 constants as in astropy
YEAR = 3.15576e7  # s, Julian
CGS = {"length": KPC, "mass": MSUN, "velocity": KM, "density": MSUN / KPC**3, "rate": MSUN / YEAR}
# Names of the CGS factor, of the exponents of a and h, and of the flag that no a is left
CONVENTIONS = (
    ("CGSConversionFactor", "aexp-scale-exponent", "h-scale-exponent", None),
    ("to_cgs", "a_scaling", "h_scaling", None),
    (
        "Conversion factor to CGS (not including cosmological corrections)",
        "a-scale exponent",
        "h-scale exponent",
        "Value stored as physical",
    ),
)
ROUND_UNIT = 0.02  # relative distance from a power of ten at which that is meant
SAME_UNIT = 0.02  # relative difference within which two units are one, written with other constants
# Header entries by quantity: Gadget's and Arepo's, per h; GIZMO's, with h in it
HEADER_UNITS = {
    "length": ("UnitLength_in_cm", "UnitLength_In_CGS"),
    "mass": ("UnitMass_in_g", "UnitMass_In_CGS"),
    "velocity": ("UnitVelocity_in_cm_per_s", "UnitVelocity_In_CGS"),
}


@dataclass(frozen=True)
class Units:
    """What datasets do not tell themselves: house unit = value x factor x a^i x h^j, and other names.

    Parameters
    ----------
    length, mass, velocity, density, rate : tuple (factor, a exponent, h exponent)
        House units: kpc, Msun, km/s, Msun/kpc^3 (from mass and length when None), Msun/yr.
    names : tuple of (field, dataset name)
        Datasets that go by other names than those in `mocks.readers.hdf5.snapshot.ALIASES`.
    declared : frozenset of str
        Quantities whose unit the header or the user states: datasets must not declare others.
    """

    length: tuple[float, float, float] = (1.0, 1.0, -1.0)
    mass: tuple[float, float, float] = (1e10, 0.0, -1.0)
    velocity: tuple[float, float, float] = (1.0, 0.5, 0.0)
    density: tuple[float, float, float] | None = None
    rate: tuple[float, float, float] = (1.0, 0.0, 0.0)
    names: tuple[tuple[str, str], ...] = ()
    declared: frozenset[str] = frozenset()

    def of(self, kind: str) -> tuple[float, float, float]:
        """Factor and exponents of one kind of quantity."""
        if kind == "density" and self.density is None:
            return tuple(
                mass / length**3 if index == 0 else mass - 3.0 * length
                for index, (mass, length) in enumerate(zip(self.mass, self.length, strict=True))
            )
        return getattr(self, kind)


def unit_factor(cgs: float, kind: str) -> float:
    """House units in a CGS factor, taken as a round number when it is one within 2 %.

    Codes keep their own solar mass and parsec (1.989e33 g, some 2e33 g): 1e10 of *their* solar masses is
    meant, and catalogues made from the same file are in them too.
    """
    ratio = cgs / CGS[kind]
    with np.errstate(divide="ignore", invalid="ignore"):  # an absurd unit is refused where it is used
        round_number = 10.0 ** np.round(np.log10(ratio))
    return round_number if abs(ratio / round_number - 1.0) < ROUND_UNIT else ratio


def header_units(
    where: str, header: dict, usual: Units, stated: frozenset[str] = frozenset()
) -> tuple[Units, tuple[str, ...]]:
    """Units of datasets without attributes: what the user states, or else the header, or else the custom.

    Parameters
    ----------
    where : str
        File, for messages.
    header : dict
        Of `mocks.readers.hdf5.statements.settled_header`.
    usual : Units
        Of the code, with the user's where stated.
    stated : frozenset of str
        Quantities that the user has stated.

    Returns
    -------
    Units
    tuple of str
        Notes, where the header's differ from the custom.

    Raises
    ------
    ValueError
        When a unit is not a positive number.
    """
    notes, changes, h = [], {}, header.get("HubbleParam")
    for kind, (per_h, with_h) in HEADER_UNITS.items():
        cgs, exponent = header.get(per_h), 0.0 if kind == "velocity" else -1.0
        name = per_h
        if cgs is None and isinstance(header.get(with_h), float | int) and isinstance(h, float | int):
            cgs, name = header[with_h] * (1.0 if kind == "velocity" else h), with_h
        if cgs is None or (isinstance(cgs, float) and not np.isfinite(cgs)):
            continue  # float32 overflows for masses
        if not isinstance(cgs, float | int) or cgs <= 0:
            raise ValueError(f"{where}: {name} is {cgs!r}; a unit is a positive number. Correct the header.")
        factor = unit_factor(float(cgs), kind)
        unit = (factor, usual.of(kind)[1], exponent)
        if np.isclose(factor, usual.of(kind)[0], rtol=SAME_UNIT) and usual.of(kind)[2] == exponent:
            unit = usual.of(kind)  # equal up to the values of kpc and Msun used
        elif kind in stated:
            notes.append(f"{kind} in the unit stated, not in that of {name} = {cgs:.6g}")
            continue
        else:
            notes.append(f"unit of {kind} by {name} = {cgs:.6g}")
        changes[kind] = unit
    declared = usual.declared | stated | frozenset(changes)
    return replace(usual, declared=declared, **changes), tuple(notes)


def _declared(dataset: h5py.Dataset) -> tuple[float, float, float] | None:
    """CGS factor and exponents of a and h that a dataset declares, in any of three conventions."""
    for cgs, a_exponent, h_exponent, physical_flag in CONVENTIONS:
        if cgs in dataset.attrs:
            exponents = [attribute(dataset, name, 0.0) for name in (a_exponent, h_exponent)]
            if physical_flag is not None and attribute(dataset, physical_flag, 0):
                exponents[0] = 0.0
            return attribute(dataset, cgs), *exponents
    return None


def conversion(dataset: h5py.Dataset, kind: str, a: float, h: float, units: Units) -> float:
    """Factor from a dataset's numbers to house units: what its attributes declare, or else `units`.

    Parameters
    ----------
    dataset : h5py.Dataset
    kind : str
        ``"length"``, ``"mass"``, ``"velocity"``, ``"density"`` or ``"rate"``.
    a, h : float
        Scale factor and Hubble constant [100 km/s/Mpc].
    units : Units
        For datasets without attributes.

    Returns
    -------
    float
        To kpc, Msun, km/s, Msun/kpc^3 or Msun/yr, no a and no h left.

    Raises
    ------
    ValueError
        When the declared unit is not a positive number, or not that of the header or the user.
    """
    declared = _declared(dataset)
    if declared is None:
        factor, a_exponent, h_exponent = units.of(kind)
        return float(factor * a**a_exponent * h**h_exponent)
    cgs, a_exponent, h_exponent = declared
    if not isinstance(cgs, float | int) or not np.isfinite(cgs) or cgs <= 0:
        raise ValueError(
            f"{dataset.file.filename}: {dataset.name} declares the CGS factor {cgs!r}; a {kind} needs a "
            "positive number. Mend the attribute or delete it to use the format's usual units."
        )
    factor_in_file = float(unit_factor(cgs, kind) * a**a_exponent * h**h_exponent)
    if kind in units.declared:
        factor, a_exponent, h_exponent = units.of(kind)
        expected = float(factor * a**a_exponent * h**h_exponent)
        if not np.isclose(factor_in_file, expected, rtol=SAME_UNIT, atol=0.0):
            raise ValueError(
                f"{dataset.file.filename}: attributes of {dataset.name} give a unit of {factor_in_file:.6g}, "
                f"the header (or the user) {expected:.6g} [kpc, Msun or km/s]. Correct the wrong one."
            )
    return factor_in_file
