"""Parts shared by the readers of RAMSES outputs."""

from mocks.readers.ramses.files import Info, read_info, read_stars

__all__ = ["Info", "read_info", "read_stars"]
