"""Parts shared by the readers of HDF5 snapshots."""
