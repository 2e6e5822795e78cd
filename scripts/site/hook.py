"""What mkdocs calls while it builds the site: pages from foldnet itself, and links that lead out of docs/."""

import re
import sys
from functools import cache
from pathlib import Path, PurePosixPath

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

_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the doctor's pages into the navigation, and leave the guides out where there is no folder of them."""
    docs = Path(config.docs_dir)
    config.nav = [entry for entry in config.nav or [] if "Guides" not in entry or (docs / "guides").is_dir()]
    pages = sorted(f"doctor/{p.name}" for p in (docs / "doctor").glob("*.md") if p.stem != "index")
    for entry in config.nav:
        if "Doctor" in entry:
            entry["Doctor"] = ["doctor/index.md", *pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and files from outside of docs/."""
    for source, page in PAGES.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    linked = {
        outside
        for file in list(files.documentation_pages())
        for target in re.findall(_LINK, file.content_string)
        if (outside := _outside(target[1], file.src_uri)) and outside not in PAGES
    }
    for path in sorted(linked):
        files.append(File.generated(config, f"{SOURCES}/{path}", content=(ROOT / path).read_bytes()))
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
    def mended(found: re.Match[str]) -> str:
        outside = _outside(found[2], page)
        if not outside:
            return found[0]
        up = "../" * (len(PurePosixPath(page).parts) - 1)
        return f"{found[1]}{up}{PAGES.get(outside) or f'{SOURCES}/{outside}'}{found[3]}"

    return _LINK.sub(mended, text)


def _outside(link: str, page: str) -> str:
    """The path, from the project's folder, of a linked file that is not in docs/; empty for other links."""
    if ":" in link or page in PAGES.values():
        return ""
    target = ((ROOT / "docs" / page).parent / link).resolve()
    inside = target.is_relative_to(ROOT / "docs") or not target.is_relative_to(ROOT)
    return "" if inside or not target.is_file() else target.relative_to(ROOT).as_posix()
