"""The site is built without a warning, has an entry for every public name, and no link leads nowhere."""

import importlib
import pkgutil
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

import foldnet
from tests.docs.conftest import ROOT, script

NOT_PUBLIC = {
    "foldnet.engines.native", "foldnet.export.library.package", "foldnet.engines.reference", "foldnet.files.hdf5",
    "foldnet.insight.verify.mistakes", "foldnet.insight.watch.report", "foldnet.passes",
}  # fmt: skip
"""Modules that list what other modules of foldnet may use; people import from the ones above them."""

ID = re.compile(r'\bid="([^"]+)"')
LINK = re.compile(r'\b(?:href|src|srcset)="([^"]+)"')


@pytest.fixture(scope="module")
def pages(site):
    """Each page's HTML by its path in the site."""
    assert site.done.returncode == 0, site.done.stderr
    return {p.relative_to(site.folder).as_posix(): p.read_text() for p in site.folder.rglob("*.html")}


def test_the_build_says_nothing(site):
    assert site.done.returncode == 0, site.done.stderr
    said = site.done.stdout + site.done.stderr
    assert not re.search(r"WARNING|ERROR|not included in the \"nav\"|no such anchor", said), said


def modules_with_names():
    """All modules of foldnet that list public names."""
    found = {"foldnet"}
    for info in pkgutil.walk_packages(foldnet.__path__, "foldnet."):
        source = Path(info.module_finder.path, *[info.name.rpartition(".")[2]])
        file = source / "__init__.py" if info.ispkg else source.with_suffix(".py")
        if file.is_file() and re.search(r"^__all__ = ", file.read_text(), re.MULTILINE):
            found.add(info.name)
    return found


def test_all_modules_with_public_names_are_known(public):
    assert modules_with_names() - NOT_PUBLIC <= set(public.MODULES)
    assert {f"foldnet.{name}" for name in foldnet._MODULES} <= set(public.MODULES)


def test_every_public_name_has_an_entry(pages, public):
    """Under this name, or as the same class or function under another."""
    ids = {name for page, text in pages.items() if page.startswith("reference/") for name in ID.findall(text)}
    ids = {name for name in ids if name.startswith("foldnet.")}
    entries = [public.find(name) for name in ids]
    described = {id(entry) for entry in entries if callable(entry)}
    missing = []
    for name in public.MODULES:
        module = importlib.import_module(name)
        for member in public.names_of(module):
            path = f"{name}.{member}"
            as_module = path in public.MODULES and any(i.startswith(f"{path}.") for i in ids)
            if path not in ids and not as_module and id(getattr(module, member)) not in described:
                missing.append(path)
    assert missing == []
    assert len(ids) > 700


def test_docstrings_become_lists_and_code(pages):
    """Nothing of a docstring's layout is left as text, and examples are code."""
    examples = 0
    for page in (name for name in pages if name.startswith("reference/")):
        article = re.search(r"<article.*</article>", pages[page], re.DOTALL)[0]
        prose = re.sub(r"<pre.*?</pre>", "", article, flags=re.DOTALL)
        assert not re.search(
            r"^\s*(?:<p>)?(Args|Attributes|Raises|Returns|Example):\s*$", prose, re.MULTILINE
        ), page
        assert "<blockquote" not in prose, page
        assert "``" not in prose, page
        assert "&gt;&gt;&gt;" not in prose, page
        examples += article.count(">&gt;&gt;&gt; <")
    assert examples > 100
    entry = re.search(r'<h2 id="foldnet.freeze">.*?<h2', pages["reference/predictor.html"], re.DOTALL)[0]
    text = unescape(re.sub(r"<[^>]+>", "", entry))
    assert "engine: str = 'auto'," in text
    assert "fold: False keeps every layer as a separate step." in text
    assert "ConfigError: settings contradict each other." in text


def test_names_without_a_list(public):
    """Modules without ``__all__``: Keras's names are public, and what they import is not."""
    from foldnet import constraints, errors, initializers, ops

    assert {"MaxNorm", "max_norm", "get", "serialize"} <= set(public.names_of(constraints))
    assert {"GlorotUniform", "glorot_uniform", "Initializer"} <= set(public.names_of(initializers))
    assert not {"np", "Any", "ConfigError", "annotations"} & set(public.names_of(initializers))
    assert {"matmul", "add", "sigmoid"} <= set(public.names_of(ops))
    assert "picking" not in public.names_of(ops)
    assert "FoldnetError" in public.names_of(errors)


def test_links_and_anchors(pages, site):
    ids = {page: {unescape(i) for i in ID.findall(text)} for page, text in pages.items()}
    wrong = []
    for page, text in pages.items():
        if page == "404.html":  # its links begin at the root of a host
            continue
        for link in set(LINK.findall(text)):
            target, _, anchor = unquote(unescape(link)).partition("#")
            if re.match(r"(https?|data|mailto|javascript):", target):
                continue
            path = (site.folder / page).parent / target if target else site.folder / page
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                wrong.append((page, link))
            elif anchor and path.suffix == ".html":
                there = path.resolve().relative_to(site.folder.resolve()).as_posix()
                if anchor not in ids[there]:
                    wrong.append((page, link))
    assert wrong == []


def test_nothing_is_loaded_from_other_hosts(pages):
    loaded = re.compile(r'<(?:script|img|source|iframe|link)\b[^>]*(?:src|href|srcset)="(?:https?:)?//[^"]*"')
    assert [(page, loaded.findall(text)) for page, text in pages.items() if loaded.search(text)] == []


def test_the_picture_is_what_its_script_draws():
    draw = script("overview").drawing
    for name, tall in (("overview", False), ("overview-tall", True)):
        assert draw(tall) == (ROOT / "docs" / "pictures" / f"{name}.svg").read_text()


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def heading_anchors(text):
    """The anchors of a Markdown file's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_between_files():
    """The links of the Markdown files work without the site, too."""
    listed = [
        *ROOT.glob("*.md"),
        *(file for name in ("docs", "examples", "data") for file in (ROOT / name).rglob("*.md")),
    ]
    wrong, count = [], 0
    for file in listed:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(file.read_text())):
            target, _, anchor = link.partition("#")
            if re.match(r"https?:", target):
                continue
            count += 1
            path = file.parent / target if target else file
            made = anchor.startswith("foldnet.") or path.name == "command-line.md"  # by the site
            if not path.exists() or (anchor and not made and anchor not in heading_anchors(path.read_text())):
                wrong.append((file.name, link))
    assert wrong == []
    assert count > 80
