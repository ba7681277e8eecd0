"""Sphinx configuration: MyST pages, docstrings as they are, tables made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# The checkout documents itself, installed or not.
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "kernels")]

import docstrings  # noqa: E402 - beside this file
import generate  # noqa: E402

import hwsim  # noqa: E402

project = "hwsim"
author = "the authors of hwsim"
copyright = "the authors of hwsim; Apache License 2.0"
version = release = hwsim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "alabaster"
html_theme_options = {
    "description": "Bit-accurate hardware arithmetic for deep-learning accelerators",
    "fixed_sidebar": True,
    "page_width": "1240px",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes and ranges, which types cannot
# Only the pages' own examples: pytest runs those of the docstrings in their modules.
doctest_test_doctest_blocks = ""
doctest_global_setup = "import numpy as np\nimport hwsim"


def setup(app: object) -> None:
    """Write the generated tables, and let docstrings through without reStructuredText."""
    generate.write(HERE / "_build" / "generated")
    docstrings.setup(app)
