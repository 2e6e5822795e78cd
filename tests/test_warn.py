"""Warnings point at the line of whoever called foldnet."""

import ast
import warnings
from pathlib import Path

import pytest

import foldnet
from foldnet import Sequential, callbacks, layers, optimizers
from foldnet.warn import warn

PACKAGE = Path(foldnet.__file__).parent
ELSEWHERE = {"warn.py", "export/library/runtime.py"}
"""The places that may call ``warnings.warn``: foldnet's own, and the file that runs where foldnet is not."""


def test_a_warning_points_here():
    with pytest.warns(UserWarning, match="look here") as caught:
        warn("look here")
    assert caught[0].filename == __file__


def test_a_warning_out_of_the_depth_of_a_fit_points_here():
    model = Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile(optimizers.SGD(1e30), "mse")
    x = [[1e20], [2e20]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, [[1.0], [2.0]], epochs=3, verbose=0, callbacks=[callbacks.EarlyStopping("val_nothing")])

    ours = [w for w in caught if "foldnet" in str(w.filename) and Path(w.filename).is_relative_to(PACKAGE)]
    assert not [str(w.message) for w in ours if "reference engine" not in str(w.message)]
    assert any("EarlyStopping watches" in str(w.message) and w.filename == __file__ for w in caught)
    assert any("NaN or infinite" in str(w.message) and w.filename == __file__ for w in caught)


def _calls(path: Path) -> list[int]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "warn"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "warnings"
    ]


def test_there_is_one_way_to_warn():
    found = {p.relative_to(PACKAGE).as_posix(): _calls(p) for p in PACKAGE.rglob("*.py")}
    assert sorted(name for name, lines in found.items() if lines) == sorted(ELSEWHERE)
