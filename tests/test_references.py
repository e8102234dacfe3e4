"""One bibliography: every citation is an entry, and every entry is cited."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CITATION = re.compile(r":cite:[pt]:`([^`]+)`")
ENTRY = re.compile(r"^@\w+\{(\w+),", re.MULTILINE)


def cited():
    """Keys of the bibliography, by the file that cites them."""
    for pattern in ("skgw/**/*.py", "docs/*.rst", "docs/user_guide/*.rst", "docs/results/*.rst"):
        for path in ROOT.glob(pattern):
            for keys in CITATION.findall(path.read_text(encoding="utf-8")):
                for key in keys.split(","):
                    yield key.partition("{")[0].strip(), path.relative_to(ROOT)


def entries():
    return set(ENTRY.findall((ROOT / "docs/references.bib").read_text(encoding="utf-8")))


def test_every_citation_is_an_entry():
    assert {(key, str(path)) for key, path in cited() if key not in entries()} == set()


def test_every_entry_is_closed():
    text = (ROOT / "docs/references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]
    assert [x for x in entries if x.count("{") != x.count("}")] == []


def test_every_entry_is_cited():
    assert entries() - {key for key, _ in cited()} == set()


def test_docstrings_spell_no_reference_out():
    """References are cited by key: a title, a venue and a year stand in the bibliography only."""
    section = re.compile(r"References\n *-+\n(.*?)(?=\n\n *[A-Z][a-z ]+\n *---|\n *\"\"\")", re.S)
    for path in (ROOT / "skgw").rglob("*.py"):
        for body in section.findall(path.read_text(encoding="utf-8")):
            for entry in re.split(r"\n\s*\n|\n(?= *\.\. \[)", body):
                assert ":cite:" in entry, (path, entry)
