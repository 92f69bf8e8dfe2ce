"""How each simulation's single files are written where they do not tell themselves."""

from dataclasses import dataclass

from mocks.readers.hdf5.units import Units

__all__ = ["DIALECTS", "Dialect"]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Names, units and habits of one simulation's files.

    Parameters
    ----------
    name : str
        Of the run, when the header does not tell.
    units : Units
        Of datasets without unit attributes.
    box : tuple (factor, a exponent, h exponent), optional
        From the header's ``BoxSize`` to kpc; the unit of the coordinates when left out.
    imf : str
        The simulation's initial mass function.
    notes : tuple of str
        What a user of such a file should know.
    """

    name: str
    units: Units
    box: tuple[float, float, float] | None = None
    imf: str = "chabrier"
    notes: tuple[str, ...] = ()


MPC_OVER_H = (1e3, 1.0, -1.0)
NO_FACTOR = (1.0, 0.0, 0.0)

DIALECTS = {
    "illustris-extract": Dialect(name="Illustris or TNG", units=Units()),
    "eagle-extract": Dialect(name="EAGLE", units=Units(length=MPC_OVER_H)),
    "horizon-agn-extract": Dialect(
        name="Horizon-AGN",
        units=Units(length=NO_FACTOR, mass=NO_FACTOR, velocity=NO_FACTOR),
        box=MPC_OVER_H,
        imf="salpeter",
        notes=("initial masses are the converter's guess: next multiple of the smallest star particle",),
    ),
    "swift": Dialect(
        name="SWIFT", units=Units(length=(1e3, 1.0, 0.0), mass=(1e10, 0.0, 0.0), velocity=NO_FACTOR)
    ),
    "magneticum-extract": Dialect(name="Magneticum", units=Units()),
    "gadget": Dialect(name="Gadget or Gizmo", units=Units()),
}
