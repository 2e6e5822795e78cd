"""Export a frozen network as files that do not need foldnet: NumPy, C, a compiled library, wheels, WebAssembly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldnet.export.c_project import to_c as to_c
    from foldnet.export.library.wheel import to_wheel as to_wheel
    from foldnet.export.library.write import to_library as to_library
    from foldnet.export.numpy_module import numpy_source as numpy_source
    from foldnet.export.numpy_module import to_numpy as to_numpy
    from foldnet.export.wasm import to_wasm as to_wasm

_HOMES = {
    "numpy_source": "numpy_module",
    "to_c": "c_project",
    "to_library": "library.write",
    "to_numpy": "numpy_module",
    "to_wasm": "wasm",
    "to_wheel": "library.wheel",
}

__all__ = ["numpy_source", "to_c", "to_library", "to_numpy", "to_wasm", "to_wheel"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'foldnet.export' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"foldnet.export.{_HOMES[name]}"), name)
