"""Sphinx settings. The build needs no network, and the pages need none to be read."""

from __future__ import annotations

import sys
from pathlib import Path

import causalmod

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "causalmod"
author = "The causalmod authors"
copyright = author  # the name that Sphinx gives this setting
version = release = causalmod.__version__

extensions = [
    "bases",
    "conformance",
    "estimators",
    "mathml",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "zoo",
]
exclude_patterns = ["_ext"]

myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Unions that fill half a page when they are written out; the text says what they take.
autodoc_type_aliases = {
    "Asked": "Asked",
    "Interventions": "Interventions",
    "compiler.Grains": "Grains",
    "compiler.Inputs": "Inputs",
}
napoleon_numpy_docstring = False
napoleon_use_rtype = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "causalmod"
html_math_renderer = "mathml"
html_show_sphinx = False
