"""Sphinx settings. ``make docs`` builds offline and treats warnings as errors."""

import inspect
import os
import re
from importlib.metadata import version as installed_version

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the gallery's matrices are small

project = "skgw"
author = "skgw developers"
copyright = "2026, skgw developers"
release = version = installed_version("skgw")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
templates_path = ["_templates"]
# The gallery's output comes in through its own index; leftovers of a build are not pages.
exclude_patterns = ["_build", "sg_execution_times.rst", "auto_examples/sg_execution_times.rst"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "skgw"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_sidebars = {  # pages without pages below them
    name: []
    for name in (
        *("index", "getting_started"),
        *("glossary", "bibliography", "architecture", "changelog"),
    )
}
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings state types and shapes
numpydoc_show_class_members = False  # _templates/autosummary/class.rst lists them
numpydoc_xref_param_type = False

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"(__init__|demo)\.py",
    "doc_module": ("skgw",),
    "backreferences_dir": "generated/backreferences",
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
    "ignore_repr_types": r"matplotlib\.|skgw\.plotting\.",  # addresses, not results
}

MAX_SIGNATURE = 6  # parameters in the signature of a class; the list of parameters has all


def skip_inherited_from_sklearn(app, what, name, obj, skip, options):
    """Leave out what scikit-learn adds to every estimator, and what serves extensions of skgw.

    The texts of scikit-learn link into its own manual.
    """
    generated = re.fullmatch(r"set_\w+_request|fitted_state|documented", name)
    inherited = (getattr(obj, "__module__", None) or "").startswith("sklearn.")
    return True if generated or inherited else None


def shorten_signature(app, what, name, obj, options, signature, return_annotation):
    """Show the first parameters of a class with many parameters."""
    if what != "class" or signature is None:
        return None
    parameters = list(inspect.signature(obj).parameters.values())
    if len(parameters) <= MAX_SIGNATURE:
        return None
    shown = [x.replace(annotation=x.empty) for x in parameters[: MAX_SIGNATURE - 2]]
    return str(inspect.Signature(shown))[:-1] + ", ...)", None


def setup(app):
    app.connect("autodoc-skip-member", skip_inherited_from_sklearn)
    app.connect("autodoc-process-signature", shorten_signature)
