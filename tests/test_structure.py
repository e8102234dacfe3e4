"""The figures of the structure, on a made-up tree and on this one."""

from pathlib import Path

import pytest

from benchmarks.structure import static_figures

ROOT = Path(__file__).parents[1]
FILES = {
    "skgw/__init__.py": "from skgw.family import Model\n",
    "skgw/_helper.py": "from skgw.family.model import Model\nLIMIT, TOL = 1, 2\n",
    "skgw/family/__init__.py": "from skgw.family.model import Model\n",
    "skgw/family/model.py": "def f():\n    from skgw.family import parts\n"
    "SIZE: int = 3\nModel = 1\n",
    "skgw/family/parts.py": "from skgw.family.model import f\nfrom skgw.solvers.core import g\n",
    "skgw/solvers/__init__.py": "",
    "skgw/solvers/core.py": "g = 1\n",
    "tests/test_model.py": 'monkeypatch.setattr("skgw.family.model.SIZE", 1)\n'
    'monkeypatch.setattr("torch.cuda.is_available", f)\n',
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_figures_of_a_made_up_tree(tree):
    assert static_figures(tree) == {
        "parts at the top level": 4,
        "private files at the root": 1,
        "imports between parts": 3,
        "circles of modules": 1,
        "imports of the solvers past a facade": 1,
        "module constants": 3,
        "patches in tests": 2,
        "patches of private names or constants": 1,
    }


def test_this_tree_has_no_circle_and_keeps_to_facades():
    figures = static_figures(ROOT)
    assert figures["circles of modules"] == 0
    assert figures["imports of the solvers past a facade"] == 0
    assert figures["private files at the root"] == 1  # _version.py
