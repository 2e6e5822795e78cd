"""The main job of an installed foldnet, on a Python that has nothing else: no compiler, no test's package.

Run as ``python smoke.py FOLDER`` by ``tests/test_dist.py``; says what it found in one line.
"""

import ctypes
import platform
import sys
import warnings
from importlib import resources
from pathlib import Path

import numpy as np

import foldnet
from foldnet.predictor import fastcall
from foldnet.tables import Selection, open_table

POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64


def main_job(folder: Path) -> None:
    packaged = resources.files("foldnet.demo")
    with open_table(str(packaged / "wine.csv"), Selection(drop="quality")) as table:
        x = np.concatenate(list(table.blocks())).astype(np.float32)[:200]
    expected = np.load(str(packaged / "wine.npz"))["y"][:200]
    model = foldnet.load_model(str(packaged / "wine.keras"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        predict = foldnet.freeze(model)
    assert predict.engine == "reference"
    assert ["no C compiler" in str(w.message) for w in warned] == [True], [str(w.message) for w in warned]
    y = predict(x)
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.array_equal(y[5:6], predict(x[5:6]))
    assert foldnet.verify(predict, model, x).ok
    predict.save(folder / "wine.foldnet")
    loaded = foldnet.load_predictor(folder / "wine.foldnet", engine="reference")
    assert np.array_equal(loaded(x), y)
    (written,) = predict.to_numpy(folder / "wine.py")
    names = {"__name__": "wine"}
    exec(written.read_text(), names)
    assert np.abs(names["predict"](x) - y).max() <= 1e-5 * np.abs(y).max()


def compiled_call() -> bool:
    """Whether the compiled call is there; if so, it has to work."""
    if fastcall.FastCall is fastcall.PythonFastCall:
        return False

    @ctypes.CFUNCTYPE(NUMBER, POINTER, POINTER, POINTER, NUMBER, NUMBER, POINTER)
    def doubled(inputs, outputs, weights, rows, threads, lengths):
        source, target = (ctypes.cast(p, ctypes.POINTER(POINTER))[0] for p in (inputs, outputs))
        x = np.ctypeslib.as_array(ctypes.cast(source, ctypes.POINTER(ctypes.c_float)), (rows, 3))
        np.ctypeslib.as_array(ctypes.cast(target, ctypes.POINTER(ctypes.c_float)), (rows, 3))[:] = 2 * x
        return 0

    class Doubling(fastcall.FastCall):
        def _call(self, x):
            return "slow"

    made = Doubling()
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert made(x) == "slow"
    address = ctypes.cast(doubled, POINTER).value
    made.attach(address, np.zeros(1, np.float32), doubled, (3,), (3,), 1, 1000, None)
    assert np.array_equal(made(x), 2 * x)
    assert made(x[:, :2]) == "slow"
    return True


if __name__ == "__main__":
    main_job(Path(sys.argv[1]))
    call = "compiled call" if compiled_call() else "no compiled call"
    print(f"{platform.machine()}, Python {platform.python_version()}, {call}: all right")
