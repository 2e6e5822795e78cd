"""Runs a network's library, or the NumPy module beside it where the library cannot be used.

This file needs Python's standard library and NumPy alone. It knows nothing of one network: ``__init__.py`` beside it
says what the network takes and gives. Written by foldnet.
"""

import ctypes
import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LEVEL = "FOLDNET_LIBRARY_LEVEL"
"""The variable that names the processor's features to use, or ``numpy`` for none."""

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_INT32 = np.iinfo(np.int32)


class Port(NamedTuple):
    """An input or an output: its name, its dtype, the shape of a row (None for any size), the texts it knows."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    texts: tuple[tuple[str, ...], int] | None = None


class UnusableError(Exception):
    """Why the library cannot be used."""


class Network:
    """A network: ``predict`` computes, ``engine`` and ``level`` say what with.

    Args:
        folder: of the package.
        package: its name, to import the NumPy module of.
        prefix: of the library's functions.
        libraries: by platform the library's file and its SHA-256.
        inputs: in order.
        outputs: in order.
        lengths: free axes, each as number of the input, axis, number of its length.
        faults: what can be wrong with a row, by number.
        output_names: keys of the results if they are a dict.
        structure: how the results are nested otherwise; a number for each.

    Attributes:
        engine: ``"native"`` or ``"numpy"``.
        level: the features of the processor that the library uses; None with NumPy.
    """

    def __init__(
        self,
        folder: Path,
        package: str,
        prefix: str,
        libraries: Mapping[str, tuple[str, str]],
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        lengths: Sequence[tuple[int, int, int]] = (),
        faults: Sequence[str] = (),
        output_names: Sequence[str] | None = None,
        structure: Any = None,
    ) -> None:
        self._package = package
        self._inputs, self._outputs = list(inputs), list(outputs)
        self._lengths, self._faults = list(lengths), list(faults)
        self._output_names, self._structure = output_names, structure
        self.engine, self.level = "numpy", None
        self._library: _Library | None = None
        if libraries and os.environ.get(LEVEL) != "numpy":
            try:
                self._library = _Library(folder, prefix, libraries, bool(lengths))
            except UnusableError as why:
                warnings.warn(
                    f"{package}: {why}; NumPy computes instead, which is slower", RuntimeWarning, stacklevel=3
                )
            else:
                self.engine, self.level = "native", self._library.level

    def predict(self, *given: Any) -> Any:
        """The results for the inputs, as ``predict`` of the package gives them."""
        arrays = self._read(given[0] if len(given) == 1 else given)
        results = self._native(arrays) or self._numpy(arrays)
        if self._output_names is not None:
            return dict(zip(self._output_names, results, strict=True))
        if self._structure is not None:
            return _packed(self._structure, results)
        return results[0] if len(results) == 1 else results

    # -- inputs --

    def _read(self, x: Any) -> list[Any]:
        names = [port.name for port in self._inputs]
        arrays = [
            self._array(value, port) for value, port in zip(self._by_input(x), self._inputs, strict=True)
        ]
        rows = {name: len(a) for name, a in zip(names, arrays, strict=True)}
        if len(set(rows.values())) > 1:
            raise ValueError(f"all inputs must have the same number of rows, got {rows}")
        return arrays

    def _by_input(self, x: Any) -> list[Any]:
        names = [port.name for port in self._inputs]
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise ValueError(f"the network's inputs are {names}, and it was given {[str(k) for k in x]}")
            return [x[name] for name in names]
        if len(names) == 1:
            rank = len(self._inputs[0].shape) + 1
            alone = isinstance(x, list | tuple) and len(x) == 1 and getattr(x[0], "ndim", None) == rank
            return [x[0]] if alone else [x]
        if not isinstance(x, list | tuple):
            raise ValueError(
                f"the network has {len(names)} inputs, {names}; pass a list or a dict of arrays, "
                f"not {type(x).__name__}"
            )
        if len(x) != len(names):
            raise ValueError(f"the network has {len(names)} inputs, {names}, and was given {len(x)}")
        return list(x)

    def _array(self, value: Any, port: Port) -> Any:
        """An array of the input's shape, of numbers or of texts."""
        expected = "(rows, " + ", ".join("any" if n is None else str(n) for n in port.shape) + ")"
        if value is None:
            raise ValueError(f"input {port.name!r} is None; expected an array of shape {expected}")
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise ValueError(f"input {port.name!r} has masked values; fill them first: x.filled(value)")
        try:
            array = np.asarray(value) if port.texts is None else np.asarray(value, object)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"input {port.name!r}: {type(value).__name__} is not an array of numbers: {error}"
            ) from None
        if port.texts is None and array.dtype.kind not in "fiub":
            raise ValueError(
                f"input {port.name!r} has dtype {array.dtype}; expected numbers of shape {expected}. Turn other "
                "columns into numbers first, as in training."
            )
        sizes = list(zip(array.shape[1:], port.shape, strict=False))
        if array.ndim != len(port.shape) + 1 or any(n is not None and m != n for m, n in sizes):
            one = array.ndim == len(port.shape) and all(
                n is None or m == n for m, n in zip(array.shape, port.shape, strict=True)
            )
            hint = "; for a single row pass x[None]" if one else ""
            raise ValueError(f"input {port.name!r} has shape {array.shape}; expected {expected}{hint}")
        return _whole(array, port.name) if port.texts is None and port.dtype == "int32" else array

    def _ready(self, array: Any, port: Port) -> Any:
        """The array as the library reads it: in its dtype and C-contiguous; for texts their codes."""
        if port.texts is not None:
            array = self._module().text_codes(array, f"input {port.name!r}", *port.texts)
        with np.errstate(all="ignore"):  # values beyond float32's range become infinite
            return np.require(array, port.dtype, ["C", "A"])

    # -- results --

    def _native(self, arrays: list[Any]) -> list[Any] | None:
        """The results by the library; None if it is not used, or is not for these lengths."""
        library, rows = self._library, len(arrays[0])
        if library is None:
            return None
        found: dict[int, int] = {}
        for number, axis, k in self._lengths:
            if found.setdefault(k, arrays[number].shape[axis]) != arrays[number].shape[axis]:
                return None  # lengths that must be equal
        lengths = (ctypes.c_int64 * max(len(found), 1))(*(found[k] for k in range(len(found))))
        shapes = [port.shape for port in self._outputs]
        if self._lengths:
            free = [sum(n is None for n in port.shape) for port in (*self._inputs, *self._outputs)]
            sizes = (ctypes.c_int64 * (sum(free) + 1))()
            if not library.sizes(lengths, sizes):
                return None
            rest = iter(sizes[sum(free[: len(self._inputs)]) : sum(free)])
            shapes = [tuple(next(rest) if n is None else n for n in shape) for shape in shapes]
        results = [
            np.empty((rows, *(n or 0 for n in shape)), port.dtype)
            for shape, port in zip(shapes, self._outputs, strict=True)
        ]
        ready = [self._ready(array, port) for array, port in zip(arrays, self._inputs, strict=True)]
        code = library.run(_addresses(ready), _addresses(results), rows, threads(), lengths)
        if code == -1:
            raise MemoryError("no memory for the workspace of a prediction")
        if code > 0:
            row, fault = divmod(code - 1, len(self._faults))
            raise ValueError(f"row {row}: {self._faults[fault]}")
        return results

    def _numpy(self, arrays: list[Any]) -> list[Any]:
        """The results by the NumPy module."""
        if len(arrays[0]) == 0 and not self._lengths:
            return [np.empty((0, *(n or 0 for n in port.shape)), port.dtype) for port in self._outputs]
        results = self._module().predict(*arrays)
        results = results if isinstance(results, list) else [results]
        return [np.asarray(y, port.dtype) for y, port in zip(results, self._outputs, strict=True)]

    def _module(self) -> Any:
        from importlib import import_module

        return import_module("._numpy", self._package)


class _Library:
    """The shared library of this platform, open."""

    def __init__(
        self, folder: Path, prefix: str, libraries: Mapping[str, tuple[str, str]], has_lengths: bool
    ) -> None:
        machine = platform.machine().lower()
        here = f"{_MACHINES.get(machine, machine)}-{_SYSTEMS.get(sys.platform, sys.platform)}"
        if here not in libraries:
            raise UnusableError(f"there is no library for {here}, only for {', '.join(libraries)}")
        name, digest = libraries[here]
        path = folder / name
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise UnusableError(f"the library {name} cannot be read ({error.strerror})") from None
        if found != digest:
            raise UnusableError(
                f"the library {name} is damaged or another one: its SHA-256 is not the recorded one"
            )
        try:
            opened = ctypes.CDLL(str(path))
            run, use, level = (opened[f"{prefix}_{end}"] for end in ("run", "use_level", "level"))
            sizes: Any = opened[f"{prefix}_sizes"] if has_lengths else None
        except (OSError, AttributeError) as error:
            raise UnusableError(f"the library {name} cannot be loaded ({error})") from None
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        run.argtypes, run.restype = [pointer, pointer, number, number, pointer], number
        if sizes is not None:
            sizes.argtypes, sizes.restype = [pointer, pointer], ctypes.c_int
        self.run, self.sizes = run, sizes
        use.argtypes, use.restype = [ctypes.c_char_p], ctypes.c_int
        level.argtypes, level.restype = [], ctypes.c_char_p
        wanted = os.environ.get(LEVEL)
        if wanted and not use(wanted.encode()):
            raise ValueError(f"{LEVEL} is {wanted!r}, which this library or this processor does not have")
        self.level = level().decode()


def threads() -> int:
    """``$FOLDNET_THREADS``, else the processors that this process may use."""
    chosen = os.environ.get("FOLDNET_THREADS")
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise ValueError(f"FOLDNET_THREADS is {chosen!r}; it must be a number of threads, 1 or more")
        return int(chosen)
    own = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(own(0)) if own else os.cpu_count() or 1


def _whole(array: Any, name: str) -> Any:
    if array.dtype.kind == "f" and not (array == np.trunc(array)).all():
        raise ValueError(f"input {name!r} takes whole numbers (indices), and was given fractions or NaN")
    if array.size and (array.max() > _INT32.max or array.min() < _INT32.min):
        raise ValueError(f"input {name!r} takes whole numbers of 32 bits, and was given larger ones")
    return array.astype(np.int32)


def _addresses(arrays: Sequence[Any]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))


def _packed(structure: Any, leaves: Sequence[Any]) -> Any:
    """The structure with each number replaced by the leaf of that number."""
    if isinstance(structure, dict):
        return {key: _packed(value, leaves) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)(_packed(value, leaves) for value in structure)
    return leaves[structure]
