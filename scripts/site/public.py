"""The public names of foldnet's modules, and what of a class a reader of the reference needs."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

MODULES = (
    "foldnet", "foldnet.activations", "foldnet.backend", "foldnet.callbacks", "foldnet.constraints",
    "foldnet.errors", "foldnet.export", "foldnet.files", "foldnet.initializers", "foldnet.insight.doctor",
    "foldnet.insight.explain", "foldnet.insight.verify", "foldnet.layers", "foldnet.losses", "foldnet.metrics",
    "foldnet.models", "foldnet.ops", "foldnet.optimizers", "foldnet.optimizers.schedules", "foldnet.random",
    "foldnet.regularizers", "foldnet.saving", "foldnet.scale", "foldnet.serving", "foldnet.sklearn", "foldnet.tables",
    "foldnet.utils",
)  # fmt: skip
"""Modules that people import from."""


def names_of(module: ModuleType) -> list[str]:
    """The public names of a module: its ``__all__``, or else the classes and functions that are its own.

    A package without ``__all__`` owns what it imports from its other modules.
    """
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if not name.startswith("_")]
    found = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return sorted(name for name, value in found.items() if _is_own(value, module))


def _is_own(value: object, module: ModuleType) -> bool:
    if inspect.ismethod(value):  # the lookup of a family by name, made by a registry
        return True
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return False
    home = value.__module__
    return home.startswith("foldnet.") if hasattr(module, "__path__") else home == module.__name__


def find(path: str) -> object:
    """What a full name such as ``foldnet.layers.Dense`` stands for."""
    module, attributes = path, []
    while True:
        try:
            value: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, name = module.rpartition(".")
            if not module:
                raise
            attributes.insert(0, name)
    for name in attributes:
        value = getattr(value, name)
    return value


def home_of(value: object) -> str:
    """The last part of the name of the module that defines a class or function; empty for data."""
    return getattr(value, "__module__", "").rpartition(".")[2] if callable(value) else ""


def members_of(cls: type) -> Iterator[tuple[str, object]]:
    """Public methods and properties that foldnet's classes give a class, in the order of their source."""
    seen = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("foldnet"):
            continue
        for name, value in vars(base).items():
            plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            described = inspect.isfunction(plain) or isinstance(plain, property)
            if name.startswith("_") or name in seen or not described:
                continue
            seen.add(name)
            if inspect.getdoc(getattr(cls, name)):
                yield name, plain


def text_of_data(module: ModuleType, name: str) -> str:
    """The text below the assignment of a module's constant, in the module that has it."""
    for home in (module, *_imported_from(module, name)):
        body = ast.parse(inspect.getsource(home)).body
        for statement, after in pairwise(body):
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return inspect.cleandoc(str(after.value.value))
    return ""


def _imported_from(module: ModuleType, name: str) -> Iterator[ModuleType]:
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.ImportFrom) and any(a.name == name for a in statement.names):
            yield importlib.import_module(statement.module or "")
