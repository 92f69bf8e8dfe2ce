"""The report page, the browse page and its server, citations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "browse_page": ["write_browse"],
        "citations": ["bibtex"],
        "page": ["write_report"],
    },
)
