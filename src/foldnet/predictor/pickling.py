"""Pickle predictors as the bytes of their file and the caller's own functions."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.predictor.file import Functions, from_bytes, to_bytes
from foldnet.predictor.program_json import activations_of

if TYPE_CHECKING:
    from foldnet.predictor.predictor import Predictor


def functions_of(graph: Graph) -> dict[str, Callable[..., Any]]:
    """The caller's own functions in a graph, by name.

    Raises:
        UnsupportedError: two functions of one name, or one that cannot be pickled.
    """
    import pickle

    found: dict[str, Callable[..., Any]] = {}
    for function in activations_of(graph):
        if function.function is None:
            continue
        if found.setdefault(function.name, function.function) is not function.function:
            raise UnsupportedError(
                f"two different activations are named {function.name!r}; rename one to pickle"
            )
        try:
            pickle.dumps(function.function)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UnsupportedError(
                f"the activation {function.name!r} cannot be pickled ({error}); define it with def at the top of "
                "a module"
            ) from None
    return found


def pickled(predictor: Predictor) -> bytes:
    """The pickled form of a predictor: its compressed file."""
    return zlib.compress(to_bytes(predictor.unfolded, predictor.options))


def unpickle(data: bytes, functions: Functions) -> Predictor:
    """Restore a pickled predictor."""
    from foldnet.predictor.predictor import Predictor

    return Predictor(*from_bytes(zlib.decompress(data), functions))
