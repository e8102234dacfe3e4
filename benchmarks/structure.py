"""Structure of a tree of skgw in figures: parts, imports, constants, patches, calls of a fit.

    python -m benchmarks.structure            # this tree
    python -m benchmarks.structure PATH       # another checkout, for a comparison

Only the last table runs code: one small fit of each estimator, and one solve, in the tree at PATH.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.common import print_table

PATCH = re.compile(r"monkeypatch\.setattr\(\s*(.*)")
PRIVATE = re.compile(r"\b_[a-z]\w*|\b[A-Z][A-Z_]{2,}\b")  # private names and constants


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("tree", nargs="?", type=Path, default=Path(__file__).parents[1])
    tree = options.parse_args().tree.resolve()
    print_table(["figure", "value"], [[name, str(x)] for name, x in static_figures(tree).items()])
    print_table(["call", "parameters", "files", "parts", "calls between parts"], dynamic_rows(tree))


def static_figures(tree: Path) -> dict[str, int]:
    """Figures that need the text of the modules only."""
    files = sorted((tree / "skgw").rglob("*.py"))
    modules = {_dotted(path.relative_to(tree)): ast.parse(path.read_text()) for path in files}
    graph = {name: _imported(name, body, modules) for name, body in modules.items()}
    between = {(_part(a), _part(b)) for a, targets in graph.items() for b in targets}
    tests = "\n".join(path.read_text() for path in (tree / "tests").rglob("*.py"))
    patches = PATCH.findall(tests)
    return {
        "parts at the top level": len({_part(name) for name in modules}),
        "private files at the root": sum(
            path.parent.name == "skgw" and path.stem[0] == "_" and path.stem[1] != "_"
            for path in files
        ),
        "imports between parts": len({(a, b) for a, b in between if a != b}),
        "circles of modules": len(_circles(graph)),
        "imports of the solvers past a facade": sum(
            _part(a) != "solvers" and b.startswith("skgw.solvers.") and _is_module(tree, b)
            for a, targets in graph.items()
            for b in targets
        ),
        "module constants": sum(map(_constants, modules.values())),
        "patches in tests": len(patches),
        "patches of private names or constants": sum(bool(PRIVATE.search(p)) for p in patches),
    }


def dynamic_rows(tree: Path) -> list[list[str]]:
    """What one call of each public estimator runs: files, parts, and calls between parts."""
    sys.path.insert(0, str(tree))
    for name in [name for name in sys.modules if name.partition(".")[0] == "skgw"]:
        del sys.modules[name]
    import skgw
    from skgw.solvers import solve_gromov

    rng = np.random.default_rng(0)
    X, Y = (rng.gamma(2, size=(n, p)) * np.arange(p, 0, -1) for n, p in ((40, 3), (30, 4)))
    calls: dict[str, tuple[Any, Callable[[], Any]]] = {}
    for name in skgw.__all__:
        cls = getattr(skgw, name)
        if not hasattr(cls, "fit"):
            continue
        quick = {"max_iter": 4, "n_init": 1, "random_state": 0}
        known = inspect.signature(cls).parameters
        estimator = cls(**{k: x for k, x in quick.items() if k in known})
        second = Y if estimator.__sklearn_tags__().target_tags.required else None
        calls[f"{name}.fit"] = (cls, lambda e=estimator, y=second: e.fit(X, y))
    calls["solve_gromov"] = (solve_gromov, lambda: solve_gromov(cdist(X, X), cdist(Y, Y)))
    rows = []
    for name, (signed, call) in calls.items():
        edges = _calls(tree / "skgw", call)
        files = {file for edge in edges for file in edge}
        crossings = {edge for edge in _parts_of(tree, edges) if edge[0] != edge[1]}
        parts = {part for edge in _parts_of(tree, edges) for part in edge}
        n_parameters = len(inspect.signature(signed).parameters)
        figures = (n_parameters, len(files), len(parts), len(crossings))
        rows.append([name, *map(str, figures)])
    return rows


def _calls(root: Path, call: Callable[[], Any]) -> set[tuple[str, str]]:
    """Pairs of files of which a function of one has called a function of the other."""
    edges, inside = set(), str(root) + os.sep

    def profile(frame: Any, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(inside):
            return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(inside):
            caller = caller.f_back
        if caller is not None:
            edges.add((caller.f_code.co_filename, frame.f_code.co_filename))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.setprofile(profile)
        try:
            call()
        finally:
            sys.setprofile(None)
    return edges


def _parts_of(tree: Path, edges: set[tuple[str, str]]) -> set[tuple[str, ...]]:
    names = lambda edge: tuple(_part(_dotted(Path(f).relative_to(tree))) for f in edge)  # noqa: E731
    return {names(edge) for edge in edges}


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _is_module(tree: Path, name: str) -> bool:
    return tree.joinpath(*name.split(".")).with_suffix(".py").exists()


def _imported(name: str, body: ast.Module, modules: dict[str, ast.Module]) -> set[str]:
    """Modules that a module imports, inside functions too; not the packages that hold it."""
    found = set()
    for node in ast.walk(body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {x if x in modules else node.module for x in names}
    return {x for x in found if x in modules and not f"{name}.".startswith(f"{x}.")}


def _circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that reach each other."""
    reach = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph if a in reach[a]}
    return [set(group) for group in groups]


def _constants(body: ast.Module) -> int:
    """Names in capitals that a module assigns."""
    count = 0
    for node in body.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [x for target in targets for x in getattr(target, "elts", [target])]
        count += sum(isinstance(x, ast.Name) and x.id.isupper() and len(x.id) > 1 for x in names)
    return count


if __name__ == "__main__":
    main()
