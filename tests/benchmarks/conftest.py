"""Modules of ``benchmarks``, which is a folder of programs and no package."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = (
    "bounds", "cases", "limits", "measure", "networks", "peers", "predict", "quick", "report", "run", "sides",
)  # fmt: skip


@pytest.fixture(scope="module")
def programs():
    """The modules by name; afterwards nothing else finds them."""
    before = {*sys.modules}
    sys.path.insert(0, str(FOLDER))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in {*sys.modules} - before:
            if str(FOLDER) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]
