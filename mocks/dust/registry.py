"""Treatments of dust by name."""

from collections.abc import Callable

from mocks.dust.gas_column import GasColumn
from mocks.dust.screens import CalzettiScreen, Dust, NoDust, TwoComponentScreen
from mocks.options import parse_choice

__all__ = ["DUST", "dust_model"]


DUST: dict[str, Callable[..., Dust]] = {
    "none": NoDust,
    "screen": TwoComponentScreen,
    "calzetti": CalzettiScreen,
    "gas-column": GasColumn,
}
"""Name of a dust treatment and its maker."""


def dust_model(dust: str | Dust, **options) -> Dust:
    """Choose a dust treatment.

    Parameters
    ----------
    dust : str or Dust
        Name in ``DUST``, with options as ``"screen:tau_old=0.5"`` or ``"gas-column:geometry=screen"``; a
        ``Dust`` is returned as it is.
    **options
        Of that treatment, for example ``a_v``.

    Raises
    ------
    ValueError
        For an unknown name or options the treatment does not have.
    """
    if isinstance(dust, Dust):
        return dust
    name, written = parse_choice(dust, words=("geometry",))
    if name not in DUST:
        raise ValueError(f"dust {name!r} is unknown; choose from {', '.join(DUST)}.")
    try:
        model = DUST[name](**written, **options)
    except TypeError as error:
        raise ValueError(f"dust {dust!r} does not take these options: {error}.") from error
    model.name = dust  # the numbers are part of the record
    return model
