"""Star and gas columns of the Gadget family (Arepo, Gadget, Gizmo, SWIFT) in house units."""

from collections.abc import Callable

import h5py
import numpy as np
from astropy.cosmology import FLRW

from mocks.galaxy import Gas, Stars
from mocks.readers.hdf5.attributes import attribute
from mocks.readers.hdf5.snapshot import ALIASES, find, read_array
from mocks.readers.hdf5.units import SAME_UNIT, Units, conversion
from mocks.readers.particles.gathering import Part, gather
from mocks.readers.particles.records import ages, gas_temperature, make_stars, require_finite, require_shapes

__all__ = [
    "GAS_FIELDS",
    "STAR_FIELDS",
    "column_factors",
    "gas_from_parts",
    "house_columns",
    "read_part",
    "require_fields",
    "stars_from_parts",
]

TABLE = "MassTable of the header"
SAME_MASS = 1e-3  # relative difference of two statements of one mass that is rounding
LEAST_MASS_UNIT = 1e30  # g; a unit above is one of masses, and a mass fraction has one near 1
STAR_FIELDS = (
    "position",
    "mass",
    "birth",
    "metallicity",
    "initial_mass",
    "velocity",
    "smoothing_length",
    "photometry",
)
# Columns of GIZMO: all metals, helium, then carbon to iron; tracers of other processes may follow
GIZMO_METALS, MOST_ABOVE_TOTAL = 9, 1.5
REQUIRED_STAR_FIELDS = STAR_FIELDS[:4]
GAS_FIELDS = (
    "position",
    "mass",
    "metallicity",
    "density",
    "temperature",
    "internal_energy",
    "electron_abundance",
    "star_formation_rate",
    "neutral_fraction",
    "smoothing_length",
    "cell_size",
    "velocity",
)
KIND = {
    "position": "length",
    "smoothing_length": "length",
    "cell_size": "length",
    "mass": "mass",
    "initial_mass": "mass",
    "velocity": "velocity",
    "density": "density",
}
# SWIFT writes the kernel's "smoothing length" h; its support is gamma h, for the quartic spline of SPHENIX
# (Borrow et al. 2022, MNRAS 511, 2367; Dehnen & Aly 2012, table 1)
SWIFT_SUPPORT = 2.018932
LENGTHS_TO_GAS = ("SmoothingLength", "SmoothingLengths")
"""Of stars in EAGLE and SWIFT: they enclose the gas that the stars enrich, not stars."""


def column_factors(group: h5py.Group, fields: tuple[str, ...], a: float, h: float, units: Units) -> dict:
    """Names and conversions of the fields that a particle group holds.

    Smoothing lengths of stars that count their gas neighbours are left out, unless ``units`` names them.

    Parameters
    ----------
    group : h5py.Group
        ``PartType0`` or ``PartType4``.
    fields : tuple of str
        House names, see `mocks.readers.hdf5.snapshot.ALIASES`.
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].
    units : Units
        For datasets without unit attributes.

    Returns
    -------
    dict
        House name to (dataset name, factor to house units); absent fields are left out. A mass from the
        header's ``MassTable`` has the name `TABLE` and the mass itself for its factor.
    """
    factors = {}
    for field in fields:
        dataset = find(group, field, units)
        if field == "smoothing_length" and dataset is not None and _counts_gas(dataset, units):
            continue
        if field == "mass" and dataset is not None:
            _refuse_other_mass(dataset, _table_mass(group))
        if dataset is None:
            if field == "mass" and (mass := _table_mass(group)) is not None:
                factor, a_exponent, h_exponent = units.of("mass")
                factors[field] = (TABLE, float(mass * factor * a**a_exponent * h**h_exponent))
            continue
        factor = conversion(dataset, KIND[field], a, h, units) if field in KIND else 1.0
        if dataset.name.endswith("StarFormationRates"):
            # SWIFT's code unit; Gadget, Arepo and EAGLE store Msun/yr, and some extracts declare that wrongly
            factor = conversion(dataset, "rate", a, h, units)
        if field == "smoothing_length" and dataset.name.endswith("SmoothingLengths"):
            factor *= SWIFT_SUPPORT
        if field == "metallicity" and dataset.ndim == 2 and _is_mass(dataset):
            factor = conversion(dataset, "mass", a, h, units)
        factors[field] = (dataset.name.rsplit("/", 1)[1], factor)
    _require_one_mass_unit(group, factors)
    return factors


def _require_one_mass_unit(group: h5py.Group, factors: dict) -> None:
    """Refuse current and initial masses in different units: codes write both in one."""
    if not {"mass", "initial_mass"} <= set(factors):
        return
    (mass, unit), (initial, other) = factors["mass"], factors["initial_mass"]
    if mass != TABLE and not np.isclose(unit, other, rtol=SAME_UNIT, atol=0.0):
        raise ValueError(
            f"{group.file.filename}: the attributes of {mass} give a unit of {unit:.6g} Msun, those of "
            f"{initial} {other:.6g} Msun. Correct the wrong ones."
        )


def _counts_gas(dataset: h5py.Dataset, units: Units) -> bool:
    """Tell whether a smoothing length of stars is one to the gas around them."""
    name = dataset.name.rsplit("/", 1)[1]
    is_asked_for = ("smoothing_length", name) in units.names
    return dataset.name.startswith("/PartType4/") and name in LENGTHS_TO_GAS and not is_asked_for


def _table_mass(group: h5py.Group) -> float | None:
    """Mass that all particles of a type share, by the header's ``MassTable``; None where there is none."""
    table = np.ravel(attribute(group.file["Header"], "MassTable", ())) if "Header" in group.file else ()
    kind = int(group.name[-1])
    return float(table[kind]) if len(table) > kind and 0 < table[kind] < np.inf else None


def _refuse_other_mass(dataset: h5py.Dataset, table: float | None) -> None:
    """Refuse masses of stars that the header's ``MassTable`` contradicts."""
    if table is None or not dataset.size or not dataset.name.startswith("/PartType4"):
        return  # SWIFT tells a mean mass of the gas
    first = float(np.ravel(dataset[:1])[0])
    if not np.isclose(first, table, rtol=SAME_MASS, atol=0.0):
        raise ValueError(
            f"{dataset.file.filename}: Header/MassTable gives all stars the mass {table:g}, "
            f"but {dataset.name} begins with {first:g}. Correct the header or the dataset."
        )


def _is_mass(dataset: h5py.Dataset) -> bool:
    """Whether a metallicity table holds element masses, as Magneticum's does."""
    return attribute(dataset, "CGSConversionFactor", 1.0) > LEAST_MASS_UNIT


def require_fields(where: str, factors: dict, fields: tuple[str, ...] = REQUIRED_STAR_FIELDS) -> None:
    """Refuse a particle group that lacks a field without which there is no light."""
    missing = [" or ".join(ALIASES[field]) for field in fields if field not in factors]
    if missing:
        raise ValueError(
            f"{where}: PartType4 lacks {'; '.join(missing)}. Fetch the file again with these fields "
            "(an API cutout holds only the fields that were asked for)."
        )


def read_part(group: h5py.Group, factors: dict, rows: slice | np.ndarray | None = None) -> Part:
    """Read columns of a particle group as they are in the file.

    Parameters
    ----------
    group : h5py.Group
        The one in which `column_factors` has looked names and units up, or its like in another chunk.
    factors : dict
        Of `column_factors`.
    rows : slice or ndarray of bool, optional
        All when left out.

    Raises
    ------
    ValueError
        When this chunk lacks a field that the other had, or its columns do not fit together.
    """
    raw = {}
    for field, (name, _) in sorted(factors.items(), key=lambda item: item[1][0] == TABLE):
        if name == TABLE:
            raw[field] = np.ones(len(next(iter(raw.values()))))
            continue
        try:
            dataset = group[name]
        except KeyError as error:
            if name in group:
                raise
            raise ValueError(
                f"{group.file.filename}: {group.name} lacks {name}, which other chunks have."
            ) from error
        raw[field] = read_array(dataset, rows)
    require_shapes(f"{group.file.filename}: {group.name}", raw)
    return Part({field: (values,) for field, values in raw.items()})


def house_columns(parts: list[Part], factors: dict, where: str = "PartType4") -> dict:
    """Gather columns in house units, element tables folded into one metallicity.

    Parameters
    ----------
    parts : list of Part
        Of `read_part`.
    factors : dict
        Of `column_factors`.
    where : str
        File, for messages.

    Returns
    -------
    dict of ndarray
        By house name.

    Raises
    ------
    ValueError
        When a table of metals contradicts itself.
    """
    columns = gather(parts, {field: factor for field, (_, factor) in factors.items()})
    if np.ndim(columns.get("metallicity")) == 2:
        elements = columns["metallicity"]
        # element masses start with helium (Magneticum); mass fractions start with the total (SIMBA, FIRE)
        is_mass = factors["metallicity"][1] != 1.0
        if not is_mass:
            _refuse_other_total(f"{where}: {factors['metallicity'][0]}", elements)
        columns["metallicity"] = elements[:, 1:].sum(axis=1) / columns["mass"] if is_mass else elements[:, 0]
    return columns


def _refuse_other_total(name: str, elements: np.ndarray) -> None:
    """Refuse mass fractions of metals of which the first is not the total: GIZMO has helium second."""
    total, heavy = elements[:, 0].mean(), elements[:, 2 : 2 + GIZMO_METALS].sum(axis=1).mean()
    if heavy > MOST_ABOVE_TOTAL * total:
        raise ValueError(
            f"{name}: its first column, the total of all metals, is {total:.4g} in the mean, but the metals "
            f"from the third on add up to {heavy:.4g}. Is it another table? Name the field that holds the "
            "total (--simulation gadget --reader fields.metallicity=...)."
        )


def stars_from_parts(
    where: str, parts: list[Part], factors: dict, scale_factor: float, cosmology: FLRW, imf: str = "chabrier"
) -> tuple[Stars, tuple[str, ...]]:
    """Star record from columns as they were read; rows without a birth time (wind-phase gas) are dropped.

    Parameters
    ----------
    where : str
        File, for messages.
    parts : list of Part
        Of `read_part`; ``birth`` is the scale factor at birth.
    factors : dict
        Of `column_factors`.
    scale_factor : float
        Of the output.
    cosmology : astropy.cosmology.FLRW
    imf : str
        For missing initial masses.

    Returns
    -------
    Stars
        Positions still in the box frame [kpc].
    tuple of str
        Notes.

    Raises
    ------
    ValueError
        When a needed column is missing, or its values are not plausible.
    """
    require_fields(where, factors)
    stars = [part.select(~(part.values("birth") <= 0)) for part in parts]  # NaN is no wind, but refused below
    n_stars, wind, notes = sum(map(len, stars)), sum(map(len, parts)) - sum(map(len, stars)), ()
    if wind:
        notes = (f"{wind} wind-phase particles (no birth time) left out",)
        if n_stars == 0:
            raise ValueError(f"{where}: this galaxy has no stars, only {wind} wind-phase particles.")
    if n_stars == 0:
        raise ValueError(f"{where}: this galaxy has no stars.")
    columns = house_columns(stars, factors, where)
    require_finite(where, birth=columns["birth"])
    age = ages(where, columns["birth"], scale_factor, cosmology)
    given = {name: columns[name] for name in STAR_FIELDS if name in columns and name != "birth"}
    stars, more = make_stars(where, given | {"age": age}, imf)
    return stars, notes + more


def gas_from_parts(where: str, parts: list[Part], factors: dict) -> Gas | None:
    """Gas record from columns as they were read, None without a cell.

    Parameters
    ----------
    where : str
        File, for messages.
    parts : list of Part
        Of `read_part`.
    factors : dict
        Of `column_factors`.

    Returns
    -------
    Gas or None
        Positions still in the box frame [kpc].

    Raises
    ------
    ValueError
        For NaN.
    """
    if not {"position", "mass"} <= set(factors) or sum(map(len, parts)) == 0:
        return None
    columns = house_columns(parts, factors, where)
    get: Callable[[str], np.ndarray | None] = columns.get
    require_finite(where, **{f"gas {name}": values for name, values in columns.items()})
    size = get("smoothing_length") if get("smoothing_length") is not None else get("cell_size")
    if size is None and get("density") is not None:
        size = np.cbrt(
            3.0 * columns["mass"] / (4.0 * np.pi * columns["density"])
        )  # radius of a round Voronoi cell
    temperature = get("temperature")
    if temperature is None and get("internal_energy") is not None and get("electron_abundance") is not None:
        temperature = gas_temperature(columns["internal_energy"], columns["electron_abundance"])
    rate, metallicity = get("star_formation_rate"), get("metallicity")
    return Gas(
        position=columns["position"],
        mass=columns["mass"],
        metallicity=None if metallicity is None else np.maximum(metallicity, 0.0),
        density=get("density"),
        temperature=temperature,
        # SWIFT stores minus the scale factor of the last star formation in gas that forms none now
        star_formation_rate=None if rate is None else np.maximum(rate, 0.0),
        neutral_fraction=get("neutral_fraction"),
        smoothing_length=size,
        velocity=get("velocity"),
    )
