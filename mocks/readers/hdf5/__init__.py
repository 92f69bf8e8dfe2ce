"""Parts shared by the readers of HDF5 snapshots."""

from mocks.readers.hdf5.snapshot import open_hdf5, read_array

__all__ = ["open_hdf5", "read_array"]
