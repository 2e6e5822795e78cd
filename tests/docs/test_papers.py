"""The papers of the project and the guides: what they link to is there, and what they name."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import foldnet

ROOT = Path(__file__).parents[2]
PAPERS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES = [*PAPERS, *sorted((ROOT / "docs" / "guides").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CITATION_KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords",
    "license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact",
    "repository-code", "title", "type", "url", "version",
}  # fmt: skip
"""What the schema of the Citation File Format, 1.2.0, allows at the top."""


def anchors(page):
    """Where a link into a page can lead: its headings, as they are written in links."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links(page):
    links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_named(page):
    """Paths of the repository in backticks."""
    named = re.findall(
        r"`((?:tests|examples|docs|scripts|src|\.ci)/[\w./-]+)`", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_targets_of_make():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        name
        for page in PAPERS
        for name in re.findall(r"^make ([\w-]+)|`make ([\w-]+)", page.read_text(), re.MULTILINE)
    }
    targets = {"".join(found) for found in named}
    assert {"demo", "test-quick", "lint", "dist", "fuzz"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)


def test_numbers_of_the_fuzzer():
    """What SECURITY.md says of it."""
    from tests.files import fuzz, test_fuzz

    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert f"each with {fuzz.SECONDS} seconds of processor time and {fuzz.MEGABYTES} MB" in text
    assert f"{4 * test_fuzz.SHARE:,} of them are in the test" in text
    assert f"at most {fuzz.LONGEST:,} characters" in text
    assert "\nFUZZ ?= 100000\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_citation():
    """By the schema 1.2.0, as far as the file goes, and with the project's own data."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"authors", "cff-version", "message", "title"} <= set(cited) <= CITATION_KEYS
    assert cited["cff-version"] == "1.2.0"
    assert cited["type"] in ("software", "dataset")
    texts = [cited[key] for key in ("abstract", "license", "message", "title", "version")] + cited["keywords"]
    assert all(isinstance(text, str) and text for text in texts)
    assert len(set(cited["keywords"])) == len(cited["keywords"])
    assert (
        cited["authors"] == project["authors"]
    )  # an entity has a name, a person given-names and family-names
    assert cited["keywords"] == project["keywords"]
    assert cited["license"] == project["license"]
    assert cited["version"] == project["version"] == foldnet.__version__
