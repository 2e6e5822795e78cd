"""Benchmarks run for themselves, so nothing else would see that one imports what another file has no more."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = sorted(FOLDER.rglob("*.py"))


def defined(path):
    """The names that a file has: assigned, defined, imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name for alias in names}
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_what_is_imported_from_another_file_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        other = FOLDER / Path(*node.module.split("."))
        if other.is_dir():
            other = other / "__init__"
        other = other.with_suffix(".py")
        if other.is_file():
            missing = {alias.name for alias in node.names} - defined(other)
            modules = {p.stem for p in other.parent.glob("*.py")} if other.name == "__init__.py" else set()
            assert not missing - modules, f"{path.name}: {other.name} has no {missing - modules}"
