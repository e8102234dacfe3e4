"""Imports run downwards only: a floor of skgw knows nothing of those above it.

The tables below are the rule. Imports inside functions and under ``TYPE_CHECKING`` count as well:
they are knowledge too. The checker is tested on made-up modules at the end.
"""

import ast
import sys
from pathlib import Path

import pytest

import skgw

ESTIMATORS = {
    "adversarial",
    "autoencoders",
    "baselines",
    "cotraining",
    "embedding",
    "matching",
    "semidiscrete",
}

BOTTOM = {"exceptions", "storable"}  # all others may import these

# What each part of skgw may import from skgw, besides itself and the bottom.
BELOW = {
    "exceptions": set(),
    "storable": set(),
    "_sklearn": set(),
    "_version": set(),
    # floor 1
    "spaces": set(),
    # floor 2
    "solvers": set(),
    "nn": set(),
    # beside
    "datasets": {"spaces"},
    "metrics": {"spaces", "solvers"},
    "plotting": {"spaces", "metrics", "coupling"},
    # floor 3
    "alignment": {"spaces", "solvers"},
    "training": {"spaces", "solvers", "nn"},
    # floor 4
    "coupling": {"solvers"},
    "domains": {"spaces", "_sklearn"},
    "_input": {"spaces"},
    "_cotraining_setup": {"_two_domains", "alignment", "nn", "training"},
    "_cotraining_result": {"_cotraining_setup", "_translator", "alignment", "nn", "training"},
    "_serialization": set(),
    "_adversary": {"nn", "spaces", "training"},
    "_style": {"nn"},
    "_constraints": {"_style", "nn"},
    "_embedding_setup": {"_constraints", "nn", "spaces", "training"},
    "_placement": {"solvers", "spaces"},
    "_mixtures": {"nn"},
    "_translator": {"alignment", "nn", "solvers"},
    "_two_domains": {"_input", "domains", "spaces"},
}
BELOW["_run"] = {"_sklearn", "_version", "training"}
BELOW["_base"] = set(BELOW) - {
    "datasets",
    "plotting",
    "_run",
    "_two_domains",
    "_cotraining_result",
    "_cotraining_setup",
    "_embedding_setup",
    "_placement",
}
SHARED = set(BELOW) - {"datasets", "plotting"}
BELOW |= {name: SHARED | (ESTIMATORS - {name}) for name in ESTIMATORS}
BELOW["__init__"] = set(BELOW)

# Which other packages the lower floors may import, besides the standard library.
ARRAYS = {"numpy", "scipy", "torch"}
OTHERS = {
    "exceptions": {"sklearn"},
    "spaces": ARRAYS | {"sklearn", "networkx"},
    "datasets": ARRAYS | {"sklearn", "networkx"},
    "metrics": ARRAYS | {"sklearn", "ot"},
    "plotting": ARRAYS | {"sklearn", "networkx", "matplotlib", "mpl_toolkits"},
    "solvers": ARRAYS | {"numba", "triton"},
    "nn": ARRAYS,
    "alignment": ARRAYS | {"sklearn"},
    "training": ARRAYS | {"safetensors"},
}


def imports(tree, package):
    """Absolute dotted names that a module of ``package`` imports, with their line numbers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*(base if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                yield f"{source}.{alias.name}", node.lineno


def is_private_sklearn(name):
    """Whether a dotted name is one that scikit-learn may change without notice."""
    top, *rest = name.split(".")
    private = any(part.startswith("_") and not part.endswith("__") for part in rest)
    return top == "sklearn" and (private or rest[:1] == ["callback"])  # callback: experimental


def private_sklearn(tree, package):
    """Private scikit-learn names imported, or reached as in ``sklearn.utils._x``, with lines."""
    for name, line in imports(tree, package):
        if is_private_sklearn(name):
            yield name, line
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name, parent = ast.unparse(node), ast.unparse(node.value)
            if is_private_sklearn(name) and not is_private_sklearn(parent):
                yield name, node.lineno


def violations(path, source):
    """Breaches of the rule in the module at ``path``, relative to the folder that holds skgw."""
    path = Path(path)
    package = ".".join(path.parent.parts)
    part = path.parts[1] if len(path.parts) > 2 else path.stem
    if part not in BELOW:
        return [f"{path}: {part} has no place in the table of floors"]
    found, tree = [], ast.parse(source)
    for name, line in imports(tree, package):
        top, _, rest = name.partition(".")
        if top == "skgw":
            target = rest.split(".")[0]
            target = target if target in BELOW else "__init__"  # a public name: the whole package
            if target not in BELOW[part] | {part, *BOTTOM}:
                found.append(f"{path}:{line}: {part} must not import {name}")
        elif part in OTHERS and top not in OTHERS[part] | sys.stdlib_module_names:
            found.append(f"{path}:{line}: {part} must not import {top}")
    if part != "_sklearn":
        for name, line in private_sklearn(tree, package):
            found.append(f"{path}:{line}: only skgw/_sklearn.py may touch {name}")
    return found


ROOT = Path(skgw.__file__).parent.parent
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "skgw").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_downwards(path):
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("skgw/solvers/a.py", "from skgw.nn import mlp"),
        ("skgw/solvers/a.py", "from ..spaces import PointCloud"),
        ("skgw/solvers/a.py", "def f():\n    from .. import training"),
        ("skgw/solvers/deep/a.py", "from ...nn import mlp"),
        ("skgw/solvers/a.py", "import sklearn"),
        ("skgw/solvers/a.py", "def f():\n    import ot"),
        ("skgw/nn/a.py", "import skgw.solvers.linear.balanced"),
        ("skgw/nn/a.py", "from skgw import GWGenerativeEmbedding"),
        ("skgw/spaces/a.py", "if TYPE_CHECKING:\n    from skgw.embedding import X"),
        ("skgw/spaces/a.py", "from sklearn.utils._param_validation import Interval"),
        ("skgw/spaces/a.py", "import sklearn.utils\nsklearn.utils._testing.f()"),
        ("skgw/metrics/a.py", "from skgw import embedding"),
        ("skgw/training/loop.py", "from sklearn.base import BaseEstimator"),
        ("skgw/training/loop.py", "import skgw"),
        ("skgw/_base.py", "from . import embedding"),
        ("skgw/_base.py", "from sklearn.callback import ProgressBar"),
        ("skgw/embedding.py", "from skgw.plotting import EmbeddingDisplay"),
        ("skgw/exceptions.py", "from . import solvers"),
        ("skgw/helpers.py", ""),
    ],
)
def test_a_breach_is_found(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("skgw/__init__.py", "from .embedding import GWGenerativeEmbedding\nimport sklearn"),
        ("skgw/solvers/a.py", "import math, torch\nfrom ..exceptions import GWConvergenceWarning"),
        ("skgw/solvers/__init__.py", "from .quadratic import solve_gromov\nfrom . import linear"),
        ("skgw/solvers/deep/a.py", "from ..linear import f\nfrom . import b"),
        ("skgw/spaces/a.py", "from sklearn import __version__\nfrom scipy.sparse import csgraph"),
        ("skgw/training/loop.py", "from skgw import nn, solvers"),
        ("skgw/_sklearn.py", "from sklearn.utils._param_validation import Interval"),
        ("skgw/_base.py", "from ._sklearn import Interval\nfrom skgw.metrics import f"),
        ("skgw/embedding.py", "from ._base import f\nfrom .solvers import solve_gromov"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert violations(path, source) == []
