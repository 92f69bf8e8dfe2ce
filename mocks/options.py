"""Choices written as one word with numbers behind it, as settings files and command lines hold them."""

__all__ = ["parse_choice"]


def parse_choice(text: str, words: tuple[str, ...] = ()) -> tuple[str, dict[str, float | str]]:
    """Split ``name:key=number,key=number``.

    Parameters
    ----------
    text : str
        For example ``"screen:tau_old=0.5,slope=-1.3"``; the name alone keeps its defaults.

    words : tuple of str
        Keys whose values are words, as in ``"gas-column:geometry=screen"``.

    Returns
    -------
    str, dict of float or str

    Raises
    ------
    ValueError
        For an option without a number.
    """
    name, _, rest = text.partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        try:
            options[key.strip()] = value.strip() if key.strip() in words else float(value)
        except ValueError:
            raise ValueError(
                f"{text!r}: {part!r} is not an option with a number; write {name}:{key.strip()}=0.5."
            ) from None
    return name, options
