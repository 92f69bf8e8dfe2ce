"""Values that a file states more than once, collected and checked for contradictions."""

import h5py
import numpy as np

from mocks.readers.hdf5.attributes import attributes

__all__ = ["header_of", "other_output", "settled_header"]

AGREE = 1e-3  # relative difference of two statements of one number that is rounding
# Gadget's name of a quantity, and where it may be stated: (group, attribute), the first is the preferred one.
# Omega_Matter and its like: newer GIZMO; Parameters: Gadget-4 and Arepo; RuntimePars: EAGLE; Cosmology: SWIFT
PLACES = {
    "HubbleParam": (
        ("Cosmology", "h"),
        ("Header", "HubbleParam"),
        ("Parameters", "HubbleParam"),
        ("RuntimePars", "HubbleParam"),
    ),
    "Omega0": (
        ("Cosmology", "Omega_m"),
        ("Header", "Omega0"),
        ("Header", "Omega_Matter"),
        ("Parameters", "Omega0"),
        ("RuntimePars", "Omega0"),
    ),
    "OmegaLambda": (
        ("Cosmology", "Omega_lambda"),
        ("Header", "OmegaLambda"),
        ("Header", "Omega_Lambda"),
        ("Parameters", "OmegaLambda"),
        ("RuntimePars", "OmegaLambda"),
    ),
    "OmegaBaryon": (
        ("Cosmology", "Omega_b"),
        ("Header", "OmegaBaryon"),
        ("Header", "Omega_Baryon"),
        ("Parameters", "OmegaBaryon"),
        ("RuntimePars", "OmegaBaryon"),
    ),
    "BoxSize": (("Header", "BoxSize"), ("Parameters", "BoxSize"), ("RuntimePars", "BoxSize")),
    "UnitLength_in_cm": (
        ("Header", "UnitLength_in_cm"),
        ("Parameters", "UnitLength_in_cm"),
        ("Units", "UnitLength_in_cm"),
        ("RuntimePars", "UnitLength_in_cm"),
    ),
    "UnitMass_in_g": (
        ("Header", "UnitMass_in_g"),
        ("Parameters", "UnitMass_in_g"),
        ("Units", "UnitMass_in_g"),
        ("RuntimePars", "UnitMass_in_g"),
    ),
    "UnitVelocity_in_cm_per_s": (
        ("Header", "UnitVelocity_in_cm_per_s"),
        ("Parameters", "UnitVelocity_in_cm_per_s"),
        ("Units", "UnitVelocity_in_cm_per_s"),
        ("RuntimePars", "UnitVelocity_in_cm_per_s"),
    ),
}
EXPANSION = (
    ("Header", "Redshift"),
    ("Cosmology", "Redshift"),
    ("Header", "ExpansionFactor"),
    ("Header", "Scale-factor"),
    ("Cosmology", "Scale-factor"),
    ("Header", "Time"),
)
GROUPS = ("Header", "Cosmology", "Parameters", "RuntimePars", "Units")
COMOVING = "ComovingIntegrationOn", "Cosmological run"
# Share of the particles that a file holds: EAGLE's reader, SWIFT (one number for each type)
SAMPLED = "SamplingRate", "SubSampleFractions"
STARS = 4  # particle type of stars


def _all(file: h5py.File) -> dict[str, dict]:
    """Attributes of all groups that state something."""
    return {name: attributes(file[name]) for name in GROUPS if isinstance(file.get(name), h5py.Group)}


def _number(value: object) -> float | None:
    """First of equal numbers, or None where there is none."""
    if isinstance(value, bool | str) or value is None:
        return None
    try:
        return float(np.ravel(np.asarray(value, dtype=float))[0])
    except (ValueError, TypeError, IndexError):
        return None


def _merged(stated: dict[str, dict]) -> dict:
    """Attributes of the header, with what stands elsewhere under Gadget's names."""
    header = dict(stated.get("Header", {}))
    for name, places in PLACES.items():
        for group, attribute in places:
            if attribute in stated.get(group, {}) and _number(stated[group][attribute]) is not None:
                header[name] = stated[group][attribute]
                break
    return header


def header_of(file: h5py.File) -> dict:
    """Attributes of the ``Header`` group, with what stands in other groups under Gadget's names."""
    stated = {name: attributes(file[name]) for name in ("Header", "Cosmology") if name in file}
    header = _merged(stated)
    if "HubbleParam" in header and "Omega0" in header:
        return header
    return _merged(_all(file))  # takes a few milliseconds


def settled_header(file: h5py.File, given: dict | None = None) -> dict:
    """Header of which all statements agree.

    Parameters
    ----------
    file : h5py.File
    given : dict, optional
        Values to take instead, by Gadget's names, ``Time`` and ``Redshift`` together; they settle any doubt.

    Returns
    -------
    dict
        As of `header_of`.

    Raises
    ------
    ValueError
        When statements disagree, the run is not cosmological, or the file holds a sample of the particles.
    """
    stated, given = _all(file), given or {}
    for name, places in PLACES.items():
        if name not in given:
            numbers = {f"{group}/{key}": _number(stated.get(group, {}).get(key)) for group, key in places}
            known = {place: x for place, x in numbers.items() if x is not None and np.isfinite(x)}
            _agree(file.filename, known)
    if "Redshift" not in given:
        _refuse_isolated(file.filename, stated)
        _agree_on_time(file.filename, stated)
    _refuse_sample(file.filename, stated)
    return _merged(stated) | given


def _agree(where: str, stated: dict[str, float]) -> None:
    """Refuse numbers that are not the same."""
    values = list(stated.values())
    if values and not np.allclose(values, values[0], rtol=AGREE, atol=0.0):
        both = " and ".join(f"{place} = {value:.6g}" for place, value in stated.items())
        raise ValueError(f"{where}: {both} contradict each other. Mend the file's header.")


def _agree_on_time(where: str, stated: dict[str, dict]) -> None:
    """Refuse scale factors and redshifts of different times."""
    # SWIFT's Time is a time, beside its scale factor
    is_swift = "Scale-factor" in stated.get("Header", {}) or "Scale-factor" in stated.get("Cosmology", {})
    scale_factors, statements = {}, []
    for group, name in EXPANSION:
        value = _number(stated.get(group, {}).get(name))
        if value is None or (name == "Time" and is_swift):
            continue
        a = 1.0 / (1.0 + value) if name == "Redshift" and value > -1 else value
        scale_factors[f"{group}/{name}"] = a
        statements.append(f"{group}/{name} = {value:.6g}")
    values = list(scale_factors.values())
    if values and not np.allclose(values, values[0], rtol=AGREE, atol=0.0):
        raise ValueError(
            f"{where}: {' and '.join(statements)} contradict each other: scale factors "
            f"{', '.join(f'{a:.6g}' for a in values)}. An isolated run, whose Time is no scale factor? Read "
            "its arrays with mocks.readers.galaxy_from_arrays. A wrong header? Mend it, or state the scale "
            "factor (--reader a=...)."
        )


def _refuse_isolated(where: str, stated: dict[str, dict]) -> None:
    """Refuse runs without an expanding universe: their birth times are not scale factors."""
    for group, attributes_of in stated.items():
        for name in COMOVING:
            if _number(attributes_of.get(name)) == 0.0:
                raise ValueError(
                    f"{where}: {group}/{name} is 0: a run without cosmology, whose birth times are no scale "
                    "factors. Read its arrays with mocks.readers.galaxy_from_arrays."
                )


def _refuse_sample(where: str, stated: dict[str, dict]) -> None:
    """Refuse files that hold only a share of the particles: all masses would be too low by it."""
    for name in SAMPLED:
        rates = np.ravel(stated.get("Header", {}).get(name, 1.0))
        rate = _number(rates[STARS] if len(rates) > STARS else rates[0] if len(rates) else 1.0)
        if rate is not None and rate != 1.0:
            raise ValueError(
                f"{where}: Header/{name} is {rate:g}: the file holds that share of the stars, and masses and "
                "light would be too low by it. Extract all particles."
            )


def other_output(where: str, header: dict, of: str, own: dict) -> list[str]:
    """Tell whether a second file, such as a catalogue, is of another output or run.

    Parameters
    ----------
    where, of : str
        The second file, and the first.
    header, own : dict
        Of both, see `header_of`.

    Returns
    -------
    list of str
        What differs; empty when they fit, or the second says nothing.
    """
    problems = []
    for name in ("Redshift", "Time", "ExpansionFactor", "HubbleParam", "Omega0", "BoxSize"):
        ours, theirs = _number(own.get(name)), _number(header.get(name))
        if name == "Redshift" and None not in (ours, theirs):
            ours, theirs = 1.0 + ours, 1.0 + theirs
        if None in (ours, theirs) or np.isclose(ours, theirs, rtol=AGREE, atol=0.0):
            continue
        shift = 1.0 if name == "Redshift" else 0.0
        problems.append(
            f"{where}: {name} = {theirs - shift:.6g}, but {ours - shift:.6g} in {of}: of another output?"
        )
    return problems
