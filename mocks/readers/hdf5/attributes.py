"""HDF5 attributes, read so that a damaged file ends in an error and never in an endless loop."""

import h5py
import numpy as np

from mocks.checked_hdf5 import LARGEST, open_checked

__all__ = ["attribute", "attributes"]

MOST = 2000  # attributes of one group; real headers have some dozens
NUMBERS = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.BITFIELD)
# What h5py raises for damaged structures
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError)


def _plain(value: object) -> object:
    """Attribute value without the wrappings that writers put round it."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.generic):
        return value.item() if not isinstance(value, np.bytes_) else value.decode(errors="replace")
    return value


def _storage(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Where the value of an attribute stands: ``"here"``, in a global ``"heap"``, or ``"other"``."""
    opened = item.attrs.get_id(name)
    if opened.get_storage_size() > LARGEST:
        raise ValueError(f"{name} claims {opened.get_storage_size()} bytes")
    kind = opened.get_type()
    if kind.get_class() == h5py.h5t.ARRAY:
        kind = kind.get_super()
    if kind.get_class() == h5py.h5t.STRING:
        return "heap" if kind.is_variable_str() else "here"
    return "here" if kind.get_class() in NUMBERS else "other"


def _read(item: h5py.Group | h5py.Dataset, names: list[str]) -> dict:
    """Values of the attributes of these names."""
    stored = {name: _storage(item, name) for name in names}
    values = {name: item.attrs[name] for name, place in stored.items() if place == "here"}
    if "heap" in stored.values():
        with open_checked(item.file.filename, attributes_only=True) as file:  # 0.2 ms
            same = file[item.name].attrs
            values |= {name: same[name] for name, place in stored.items() if place == "heap"}
    return {name: _plain(values[name]) for name in names if name in values}


def attributes(item: h5py.Group | h5py.Dataset) -> dict:
    """Attributes with length-1 arrays squeezed and bytes decoded.

    Some writers (R tools among them) store every header value as an array of length 1.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset

    Returns
    -------
    dict
        Numbers and texts alone; references, compounds and lists of variable length tell a reader nothing.

    Raises
    ------
    OSError
        When they cannot be read.
    """
    try:
        if len(item.attrs) > MOST:
            raise ValueError(f"there are {len(item.attrs)}, more than {MOST}")
        return _read(item, list(item.attrs))
    except DAMAGE as error:
        raise OSError(f"{item.file.filename}: attributes of {item.name} cannot be read ({error}).") from error


def attribute(item: h5py.Group | h5py.Dataset, name: str, default: object = None) -> object:
    """One attribute as `attributes` gives it.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
    name : str
    default : object
        Answer when there is none of that name.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    try:
        return _read(item, [name]).get(name, default) if name in item.attrs else default
    except DAMAGE as error:
        where = f"{item.file.filename}: attribute {name} of {item.name}"
        raise OSError(f"{where} cannot be read ({error}); damaged? Fetch the file again.") from error
