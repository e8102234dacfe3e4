"""Files of a publication say what `pyproject.toml` says."""

import re
import tomllib
from pathlib import Path

import skgw

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch"}


def project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_versions_agree():
    assert re.search(r"^version: (\S+)$", text("CITATION.cff"), re.M)[1] == skgw.__version__
    assert re.search(r'^  version: "(\S+)"$', text("recipe/recipe.yaml"), re.M)[1] == (
        skgw.__version__
    )


def test_the_recipe_has_the_dependencies():
    wanted = set()
    for dependency in project()["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", dependency).groups()
        wanted.add(f"{CONDA_NAMES.get(name.lower(), name.lower())} {bound}")
    run = text("recipe/recipe.yaml").split("  run:\n")[1].split("\n\n")[0]
    found = {line.strip()[2:] for line in run.splitlines()}
    assert found == {"python >=${{ python_min }}"} | wanted
    assert f'python_min: "{project()["requires-python"].lstrip(">=")}"' in text(
        "recipe/recipe.yaml"
    )


def test_the_workflow_runs_the_checks():
    workflow = text(".github/workflows/checks.yml")
    assert "bash .ci/run" in workflow
    matrix = re.search(r"python: \[(.*)\]", workflow)[1]
    assert f'"{project()["requires-python"].lstrip(">=")}"' in matrix


def test_the_paper_cites_entries():
    keys = set(re.findall(r"@(\w+)", text("paper.md")))
    entries = set(re.findall(r"^@\w+\{(\w+),", text("docs/references.bib"), re.M))
    assert keys
    assert keys <= entries
