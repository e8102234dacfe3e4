"""Imports run downwards only: a part of skgw knows nothing of those above it.

The tables below are the rule. Imports inside functions and under ``TYPE_CHECKING`` count as well:
they are knowledge too. The checker is tested on made-up modules at the end.
"""

import ast
import sys
from pathlib import Path

import pytest

import skgw

ROOT = Path(skgw.__file__).parent.parent
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "skgw").rglob("*.py"))

# Every part may import these.
BOTTOM = {"encoding", "exceptions", "fields", "files", "storable", "threads"}

# What each part of skgw may import from skgw, besides itself and the bottom. From the top down.
BELOW = {
    "plotting": {"base", "metrics", "spaces"},
    "interop": {"base", "matching"},
    "translation": {
        "autoencoders", "base", "matching", "nn", "registration", "solvers", "spaces", "training",
    },
    "generative": {"autoencoders", "base", "metrics", "nn", "solvers", "training"},
    "autoencoders": {"base", "nn", "registration", "solvers", "spaces", "training"},
    "matching": {"base", "registration", "solvers", "spaces"},
    "embedding": {"base", "nn", "registration", "solvers", "spaces", "training"},
    "base": {"_version", "metrics", "registration", "solvers", "spaces", "training"},
    "metrics": {"registration", "solvers", "spaces"},
    "registration": {"nn", "solvers"},
    "training": {"_version", "nn", "solvers"},
    "datasets": {"spaces"},
    "solvers": set(),
    "nn": set(),
    "spaces": set(),
    "encoding": {"storable"},
    "files": {"_version"},
    "storable": {"fields"},
    "fields": set(),
    "exceptions": set(),
    "threads": set(),
    "_version": set(),
}  # fmt: skip
BELOW["__init__"] = set(BELOW)

# The same inside the solvers: folders and files, from the top down.
INSIDE = {
    "affine_map": {"directed", "inputs", "plan", "precision"},
    "barycenter": {"gromov", "inputs", "options", "precision"},
    "gromov": {"batches", "options", "pot", "precision", "quadratic", "result", "scales"},
    "divergence": {
        "batches", "directed", "inputs", "options", "pot", "precision", "quadratic", "resolution",
        "result", "scales",
    },
    "batches": {"inputs", "plan", "result"},
    "experimental": {
        "initializers", "linear", "precision", "problems", "quadratic", "resolution", "result",
        "scales", "settings", "synchronisation",
    },
    "quadratic": {
        "compiled", "directed", "geometry", "initializers", "inputs", "lazy_plan", "linear",
        "options", "precision", "problems", "resolution", "result", "scales", "settings",
        "subnormals", "synchronisation",
    },
    "linear": {
        "compiled", "inputs", "lazy_plan", "precision", "settings", "subnormals",
        "synchronisation",
    },
    "initializers": {"directed", "inputs", "precision", "problems", "result"},
    "semidiscrete": set(),
    "scales": {"inputs", "options", "precision", "problems", "result"},
    "problems": {"directed", "inputs", "precision", "settings", "subnormals"},
    "geometry": {"inputs", "lazy_plan", "precision", "settings"},
    "result": {"inputs", "plan", "plan_list"},
    "plan_list": {"plan"},
    "lazy_plan": {"inputs", "plan", "precision"},
    "plan": {"inputs", "precision"},
    "compiled": {"inputs", "subnormals"},
    "inputs": {"directed"},
    "options": {"pot"},
    "pot": set(),
    "directed": set(),
    "resolution": set(),
    "settings": set(),
    "subnormals": set(),
    "synchronisation": set(),
    "precision": set(),
}  # fmt: skip
INSIDE["__init__"] = set(INSIDE)

# Which other packages a part may import, besides the standard library.
ARRAYS = {"numpy", "scipy", "torch"}
OTHERS = {
    "exceptions": {"sklearn"},
    "threads": {"threadpoolctl", "torch"},
    "storable": set(),
    "fields": {"numpy"},
    "files": {"numpy", "safetensors"},
    "encoding": {"numpy", "scipy"},
    "spaces": ARRAYS | {"sklearn", "networkx"},
    "datasets": ARRAYS | {"sklearn", "networkx"},
    "metrics": ARRAYS | {"joblib", "ot", "sklearn"},
    "plotting": ARRAYS | {"sklearn", "networkx", "matplotlib", "mpl_toolkits"},
    "interop": ARRAYS | {"pandas", "sklearn"},
    "solvers": ARRAYS | {"numba", "ot", "triton"},
    "nn": ARRAYS,
    "registration": ARRAYS | {"sklearn"},
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


def part_of(path, depth=1):
    """The folder or file at this depth that a module belongs to."""
    return path.parts[depth] if len(path.parts) > depth + 1 else path.stem


def passes_a_facade(names):
    """Whether an import of skgw.solvers reaches for a module, not for what a folder exports."""
    below = ROOT.joinpath(*names[: names.index("solvers") + 1])
    for name in names[names.index("solvers") + 1 :]:
        if (below / f"{name}.py").exists():
            return True
        below = below / name
    return False


def violations(path, source):
    """Breaches of the rule in the module at ``path``, relative to the folder that holds skgw."""
    path = Path(path)
    package = ".".join(path.parent.parts)
    part = part_of(path)
    if part not in BELOW:
        return [f"{path}: {part} has no place in the table of parts"]
    found, tree = [], ast.parse(source)
    for name, line in imports(tree, package):
        top, *rest = name.split(".")
        if top == "skgw":
            target = rest[0] if rest and rest[0] in BELOW else "__init__"  # a public name: all
            if target not in BELOW[part] | {part, *BOTTOM}:
                found.append(f"{path}:{line}: {part} must not import {name}")
            elif target == "solvers" and part != "solvers" and passes_a_facade(name.split(".")):
                found.append(f"{path}:{line}: {name} is not exported by a folder of the solvers")
            elif part == target == "solvers":
                found += inner_violations(path, rest[1:], line)
        elif part in OTHERS and top not in OTHERS[part] | sys.stdlib_module_names:
            found.append(f"{path}:{line}: {part} must not import {top}")
    if path.stem != "sklearn_compat":
        for name, line in private_sklearn(tree, package):
            found.append(f"{path}:{line}: only skgw/base/sklearn_compat.py may touch {name}")
    return found


def inner_violations(path, names, line):
    """Breaches by an import of ``skgw.solvers.<names>`` from within the solvers."""
    part = part_of(path, depth=2)
    if part not in INSIDE:
        return [f"{path}: {part} has no place in the table of the solvers"]
    target = names[0] if names and names[0] in INSIDE else "__init__"
    if target in INSIDE[part] | {part}:
        return []
    return [f"{path}:{line}: {part} must not import {'.'.join(names)}"]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_downwards(path):
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("table", "depth"), [(BELOW, 1), (INSIDE, 2)], ids=["skgw", "solvers"])
def test_every_row_exists(table, depth):
    folder = ("skgw", "solvers")[:depth]
    assert set(table) == {part_of(p, depth) for p in MODULES if p.parts[:depth] == folder}


@pytest.mark.parametrize("table", [BELOW, INSIDE], ids=["skgw", "solvers"])
def test_the_rows_stand_from_the_top_down(table):
    order = list(table)
    for part, below in table.items():
        if part != "__init__":
            assert all(order.index(part) < order.index(other) for other in below), part


def test_nothing_private_stands_at_the_root():
    private = {path.name for path in MODULES if len(path.parts) == 2 and path.stem[0] == "_"}
    assert private == {"__init__.py", "_version.py"}


def dotted(path):
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def circles(graph):
    """Groups of nodes that reach each other (Tarjan's algorithm, with a stack of its own)."""
    found, index, low, stack = [], {}, {}, []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_no_circle_of_modules():
    names = {dotted(path): path for path in MODULES}
    graph = {}
    for name, path in names.items():
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        targets = {x for x, _ in imports(tree, ".".join(path.parent.parts))}
        modules = {x if x in names else x.rpartition(".")[0] for x in targets}
        # A package stands for what it exports, not for the modules that it takes these from.
        graph[name] = {
            x for x in modules & set(names) if x != name and not name.startswith(f"{x}.")
        }
    assert circles(graph) == []


def test_a_circle_is_found():
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("skgw/solvers/result.py", "from skgw.nn import mlp"),
        ("skgw/solvers/result.py", "from ..spaces import PointCloud"),
        ("skgw/solvers/result.py", "def f():\n    from .. import training"),
        ("skgw/solvers/linear/a.py", "from ...nn import mlp"),
        ("skgw/solvers/linear/a.py", "from skgw.solvers.quadratic import minimize"),
        ("skgw/solvers/linear/a.py", "from skgw.solvers import solve_gromov"),
        ("skgw/solvers/shelf/a.py", "from skgw.solvers import precision"),
        ("skgw/solvers/result.py", "import sklearn"),
        ("skgw/solvers/result.py", "def f():\n    import networkx"),
        ("skgw/training/a.py", "from skgw.solvers.linear.balanced import solve_linear"),
        ("skgw/training/a.py", "import skgw.solvers.linear.balanced"),
        ("skgw/nn/a.py", "import skgw.solvers.linear"),
        ("skgw/nn/a.py", "from skgw import GWGenerativeEmbedding"),
        ("skgw/spaces/a.py", "if TYPE_CHECKING:\n    from skgw.embedding import X"),
        ("skgw/spaces/a.py", "from sklearn.utils._param_validation import Interval"),
        ("skgw/spaces/a.py", "import sklearn.utils\nsklearn.utils._testing.f()"),
        ("skgw/metrics/a.py", "from skgw import embedding"),
        ("skgw/training/loop.py", "from sklearn.base import BaseEstimator"),
        ("skgw/training/loop.py", "import skgw"),
        ("skgw/base/estimator.py", "from skgw import embedding"),
        ("skgw/base/estimator.py", "from sklearn.callback import ProgressBar"),
        ("skgw/embedding/a.py", "from skgw.plotting import EmbeddingDisplay"),
        ("skgw/embedding/a.py", "from skgw.matching import GWMatcher"),
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
        ("skgw/solvers/result.py", "import math\nfrom ..exceptions import GWConvergenceWarning"),
        ("skgw/solvers/__init__.py", "from .gromov import solve_gromov\nfrom . import linear"),
        ("skgw/solvers/quadratic/a.py", "from ..linear import f\nfrom . import b"),
        ("skgw/training/loop.py", "from skgw import nn, solvers"),
        ("skgw/training/loop.py", "from skgw.solvers.linear import solve_linear"),
        ("skgw/spaces/a.py", "from sklearn import __version__\nfrom scipy.sparse import csgraph"),
        ("skgw/base/sklearn_compat.py", "from sklearn.utils._param_validation import Interval"),
        ("skgw/base/estimator.py", "from .sklearn_compat import f\nfrom skgw.metrics import f"),
        ("skgw/embedding/a.py", "from ..base.estimator import f\nfrom ..nn import mlp"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert violations(path, source) == []
