"""A random network in live Keras and in foldnet, each way that foldnet can compute it, and how far they are apart."""

from __future__ import annotations

import functools
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import foldnet
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.export import numpy_source, to_c
from foldnet.export.c_lengths import FreeLengths
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph, bind
from foldnet.lowering.lower import lower
from tests.soak.recipe import Recipe, build, layers_in
from tests.soak.weights import data_for, give_weights
from tests.support import compilers
from tests.support.compiling import QUICK
from tests.support.keras_pairs import keras_in_float64

Arrays = list[np.ndarray]
BOUND = 2e-5
"""The largest distance, as a part of the scale of a result."""
EXACT = 1e-9
"""The same between the two in float64."""
IN_PART = {"MultiHeadAttention", "GroupQueryAttention"}
"""Layers that have float32 within in any case: where Keras computes them in one function, the softmax is in it."""


@dataclass(frozen=True)
class Result:
    """What became of a way to compute a network."""

    way: str
    kind: str
    """``ok``, ``refused`` or ``wrong``."""
    words: str = ""
    ratio: float = 0.0
    """The distance from the truth to Keras's own distance."""


# -- Keras ----------------------------------------------------------------------------------------------------------


@contextmanager
def _inputs_in_float64(model: Any) -> Iterator[None]:
    """Let networks inside of networks take float64, which they turn into the dtype that their inputs say."""
    networks = [m for m in model._flatten_layers() if hasattr(m, "_functional") or hasattr(m, "_inputs")]
    tensors = [t for m in networks for t in (getattr(m, "_functional", None) or m)._inputs]
    narrow = [t for t in tensors if t.dtype == "float32"]
    for tensor in narrow:
        tensor._dtype = "float64"
    try:
        yield
    finally:
        for tensor in narrow:
            tensor._dtype = "float32"


def _keras(model: Any, data: Sequence[np.ndarray], dtype: Any) -> Arrays:
    import jax

    def cast(arrays: Sequence[Any]) -> Arrays:
        return [
            np.asarray(a).astype(dtype) if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in arrays
        ]

    def predict(trainable: Any, fixed: Any, rows: Any) -> Any:
        return model.stateless_call(trainable, fixed, rows if len(rows) > 1 else rows[0], training=False)[0]

    rows = cast(data)
    result = jax.jit(predict)(cast(model.trainable_variables), cast(model.non_trainable_variables), rows)
    return [np.asarray(y) for y in (result if isinstance(result, list | tuple) else [result])]


def keras_predictions(model: Any, data: Sequence[np.ndarray]) -> tuple[Arrays, Arrays]:
    """In float32, and in float64."""
    plain = _keras(model, data, np.float32)
    with keras_in_float64([model]), _inputs_in_float64(model):
        return plain, _keras(model, data, np.float64)


# -- foldnet --------------------------------------------------------------------------------------------------------


def by_reference(network: Any, data: Arrays) -> Arrays:
    return ReferenceProgram(lower(network), "float32").run(data)


def in_float64(network: Any, data: Arrays) -> Arrays:
    return ReferenceProgram(lower(network), "float64").run(data)


def _listed(result: Any) -> Arrays:
    return [np.asarray(y) for y in (result if isinstance(result, list | tuple) else [result])]


def folded(network: Any, data: Arrays) -> Arrays:
    predictor = foldnet.freeze(network, engine="reference")
    return _listed(predictor(data if len(data) > 1 else data[0]))


def by_native(network: Any, data: Arrays) -> Arrays:
    predictor = foldnet.freeze(network, engine="native")
    result = _listed(predictor(data if len(data) > 1 else data[0]))
    one = _listed(predictor([x[1:2] for x in data] if len(data) > 1 else data[0][1:2]))
    for whole, row in zip(result, one, strict=True):
        np.testing.assert_array_equal(whole[1:2], row, "a row alone has other bits than among others")
    return result


def by_numpy(network: Any, data: Arrays) -> Arrays:
    source = numpy_source(foldnet.freeze(network, engine="reference").graph)
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(source, scope)
    return _listed(scope["predict"](*data))


def _exported(graph: Graph, data: Arrays, folder: str) -> list[int]:
    """Writes C for any lengths, or for those of the data if it must know them; the lengths that it takes."""
    x = data if len(data) > 1 else data[0]
    if free_axes(graph):
        try:
            lengths = FreeLengths(graph, graph.inputs).lengths_for([a.shape for a in data])
            to_c(graph, folder, name="net", x=x)
            return lengths
        except UnsupportedError:
            graph = bind(graph, [(None, *a.shape[1:]) for a in data])
    to_c(graph, folder, name="net")
    return []


def by_c(network: Any, data: Arrays) -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        lengths = _exported(foldnet.freeze(network, engine="reference").graph, data, folder)
        compilers.build("gcc", ["-std=c99", "-w", *QUICK, "main.c"], "predict", Path(folder))
        flat = np.hstack([np.asarray(x, np.float64).reshape(len(x), -1) for x in data])
        text = "".join(",".join(f"{v:.9g}" for v in row) + "\n" for row in flat)
        done = subprocess.run(
            ["./predict", *map(str, lengths)],
            cwd=folder,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the exported program says: {done.stderr[:200]}")
    found = np.array([[float(v) for v in line.split(",")] for line in done.stdout.splitlines()], np.float32)
    sizes = [y.reshape(len(y), -1).shape[1] for y in by_reference(network, data)]
    return np.split(found, np.cumsum(sizes)[:-1], axis=1)


def through_file(network: Any, data: Arrays) -> Arrays:
    """Saved by foldnet and opened by live Keras."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        network.save(path)
        return _keras(keras.models.load_model(path), data, np.float32)


def from_file(model: Any, data: Arrays, ending: str = "keras") -> Arrays:
    """Saved by live Keras and opened by foldnet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network.{ending}"
        model.save(path)
        return by_reference(foldnet.load_model(path), data)


def from_h5(model: Any, data: Arrays) -> Arrays:
    return from_file(model, data, "h5")


Way = Callable[[Any, Arrays], Arrays]
OF_FOLDNET: dict[str, Way] = {
    "float64": in_float64, "reference": by_reference, "folded": folded, "native": by_native, "numpy": by_numpy,
    "c": by_c, "saved": through_file,
}  # fmt: skip
OF_KERAS: dict[str, Way] = {"opened": from_file, "opened h5": from_h5}
WAYS = (*OF_FOLDNET, *OF_KERAS)


def judge(way: str, ours: Arrays, plain: Arrays, truth: Arrays, exact: float = EXACT) -> Result:
    """Each result within the bound of its scale, and where Keras itself is farther off, within twice its distance."""
    worst = 0.0
    for number, (result, keras, true) in enumerate(zip(ours, plain, truth, strict=True)):
        if way != "c" and result.shape != keras.shape:
            return Result(way, "wrong", f"output {number}: shape {result.shape}, Keras {keras.shape}")
        result = result.reshape(true.shape)
        finite = np.isfinite(true) & np.isfinite(keras)
        if not np.isfinite(result[finite]).all():
            return Result(way, "wrong", f"output {number}: not finite where Keras is")
        if not finite.any():
            continue
        scale = float(np.abs(true[finite]).max()) or 1.0
        off = float(np.abs(result - true)[finite].max())
        keras_off = float(np.abs(keras - true)[finite].max())
        least = float(np.spacing(np.float32(scale)))
        limit = (
            max(exact * scale, 1e-3 * keras_off)
            if way == "float64"
            else max(BOUND * scale, 2 * keras_off + least)
        )
        if off > limit:
            return Result(
                way, "wrong", f"output {number}: off by {off / scale:.2g}, Keras by {keras_off / scale:.2g}"
            )
        worst = max(worst, off / (keras_off + least))
    return Result(way, "ok", ratio=worst)


def _tried(way: str, run: Callable[[], Arrays], plain: Arrays, truth: Arrays, exact: float) -> Result:
    try:
        return judge(way, run(), plain, truth, exact)
    except (UnsupportedError, ConfigError) as error:
        return Result(way, "refused", f"{type(error).__name__}: {error}")
    except Exception as error:
        return Result(way, "wrong", f"{type(error).__name__}: {str(error)[:400]}")


def compared(recipe: Recipe, seed: int, ways: Sequence[str] = WAYS) -> list[Result]:
    """Every way against Keras.

    Raises:
        Exception: whatever Keras raises, if it cannot compute the network itself.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = build(recipe)
        give_weights(model, seed)
        data = data_for(recipe, seed)
        try:
            network = foldnet.from_keras(model)
        except Exception as error:
            kind = "refused" if isinstance(error, UnsupportedError | ConfigError) else "wrong"
            return [Result("converted", kind, f"{type(error).__name__}: {error}")]
        # Files first: what follows makes the live model one of float64.
        files = {way: _kept(OF_KERAS[way], model, data) for way in ways if way in OF_KERAS}
        plain, truth = keras_predictions(model, data)
        exact = BOUND if IN_PART & set(layers_in(recipe)) else EXACT
        runs = {way: functools.partial(OF_FOLDNET[way], network, data) for way in ways if way in OF_FOLDNET}
        return [_tried(way, run, plain, truth, exact) for way, run in (runs | files).items()]


def _kept(run: Way, model: Any, data: Arrays) -> Callable[[], Arrays]:
    """What a way gives now, or the error that it raises now, for later."""
    try:
        result = run(model, data)
    except Exception as error:
        kept = error

        def fail() -> Arrays:
            raise kept

        return fail
    return lambda: result
