"""Runs exported NumPy files as a stranger would: a bare Python in which NumPy alone can be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

RUNNER = """
import importlib.util, sys
from pathlib import Path

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"foldnet", "h5py", "keras", "scipy", "jax", "click", "rich"}:
            raise ImportError(f"a stranger does not have {name}")

sys.meta_path.insert(0, Refuse())
import numpy as np

for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with np.load(Path(path).with_suffix(".in.npz")) as file:
        data = [file[key] for key in file]
    results = module.predict(*data)
    np.savez(Path(path).with_suffix(".out.npz"), *(results if isinstance(results, list) else [results]))
"""


def predictions(cases: dict[Path, list[np.ndarray]]) -> dict[Path, list[np.ndarray]]:
    """What each exported file predicts for its data; one process runs them all, warnings being errors."""
    for path, data in cases.items():
        np.savez(path.with_suffix(".in.npz"), *data)
    command = [sys.executable, "-I", "-W", "error", "-c", RUNNER, *map(str, cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    results = {}
    for path in cases:
        with np.load(path.with_suffix(".out.npz")) as file:
            results[path] = [file[key] for key in file]
    return results
