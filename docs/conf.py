"""Settings of the documentation: ``sphinx-build -W docs OUT``."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "simcompare"
author = copyright = "simcompare developers"
version = release = import_module("simcompare").__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "draw", "mathml", "reference"]
root_doc = "index"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "simcompare"
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False

default_role = "py:obj"
autodoc_typehints = "signature"  # docstrings say what types do not: shapes, units, meaning
autodoc_member_order = "groupwise"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
