"""Data sets compared with a reference: one row for each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attribution": ["ladder", "systematic_floor"],
        "headline": ["compare"],
        "matching": ["match", "matched_difference"],
        "report_table": ["FurtherTable", "read_comparison", "write_comparison"],
        "volume": ["jackknife", "sub_boxes"],
    },
)
