"""Parts shared by the readers of RAMSES outputs."""
