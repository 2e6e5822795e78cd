"""What mkdocs calls while it builds the site: pages from foldnet itself, and links that lead out of docs/."""

import posixpath
import re
import sys
from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
import api
import command_line

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
"""Files beside docs/ that are pages of the site."""

SOURCES = "source"
"""The folder of other files that pages link to."""

FIRST = ("index", "evidence")
"""The doctor's pages that come before those of its checks."""

_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the doctor's pages into the navigation, and leave out guides and pages of files that there are not."""
    docs = Path(config.docs_dir)
    config.nav = [entry for entry in config.nav or [] if "Guides" not in entry or (docs / "guides").is_dir()]
    pages = sorted(f"doctor/{p.name}" for p in (docs / "doctor").glob("*.md") if p.stem not in FIRST)
    missing = {page for source, page in PAGES.items() if not (ROOT / source).is_file()}
    for entry in config.nav:
        if "How it is built" in entry:
            pages_there = [page for page in entry["How it is built"] if missing.isdisjoint(page.values())]
            entry["How it is built"] = pages_there
        if "Doctor" in entry:
            entry["Doctor"] = [*(f"doctor/{stem}.md" for stem in FIRST), *pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and files from outside of docs/."""
    for source, page in PAGES.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    linked = {
        place
        for file in list(files.documentation_pages())
        for _, link, _ in _LINK.findall(file.content_string)
        if (place := _place(link, file.src_uri)) and place.startswith(f"{SOURCES}/")
    }
    for place in sorted(linked):
        content = (ROOT / place.removeprefix(f"{SOURCES}/")).read_bytes()
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the reference, and mend links."""
    uri = page.file.src_uri
    return command_line.filled(api.filled(_mended(markdown, uri), uri, _described(Path(config.docs_dir))))


@cache
def _described(docs: Path) -> api.Places:
    """What the pages of the reference describe under single names."""
    pages = sorted((docs / "reference").rglob("*.md"))
    known = {}
    for page in pages:
        known |= api.places(page.read_text(), page.relative_to(docs).as_posix())
    return known


def on_post_build(config: MkDocsConfig) -> None:
    """Add the index of the search as a script, which pages that are opened from a folder can load."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text()
    (folder / "search_index.js").write_text(f"var __index = {index}")


def _mended(text: str, page: str) -> str:
    """A page with its links as they are in the site."""

    def mended(found: re.Match[str]) -> str:
        place = _place(found[2], page)
        return (
            f"{found[1]}{posixpath.relpath(place, posixpath.dirname(page))}{found[3]}" if place else found[0]
        )

    return _LINK.sub(mended, text)


def _place(link: str, page: str) -> str:
    """Where in the site a file is that a page links to; empty for what is no file of the project."""
    sources = {page: source for source, page in PAGES.items()}
    written = ROOT / sources.get(page, f"docs/{page}")
    target = (written.parent / link).resolve()
    target = target / "index.md" if (target / "index.md").is_file() else target
    if ":" in link or not target.is_file() or not target.is_relative_to(ROOT):
        return ""
    if target.is_relative_to(ROOT / "docs"):
        return target.relative_to(ROOT / "docs").as_posix()
    name = target.relative_to(ROOT).as_posix()
    return PAGES.get(name, f"{SOURCES}/{name}")
