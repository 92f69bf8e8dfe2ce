"""Image sets: stamps, parts on disk, positions, splits, selection."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "image_set": ["ImageSet"],
        "parts": ["Stack", "write_part"],
        "selection": ["select_rows"],
        "splits": ["assign_split"],
        "stamps": ["PreparedStamp", "RawStamp"],
    },
)
