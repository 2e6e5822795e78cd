"""The frozen network: a function from rows to predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.lower import Mode, lower
from foldnet.network import Network


class Predictor:
    """What ``freeze`` returns; call it on rows."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self._program = ReferenceProgram(graph, "float32")

    def __call__(self, x: Any) -> Any:
        """Predictions for rows."""
        results = self._program.run([np.asarray(x)])
        return results[0] if len(results) == 1 else results


def freeze(model: Any, engine: str = "auto") -> Predictor:
    """Fold a network, or the network of a file, into one function."""
    if not isinstance(model, Network):
        from foldnet.files import load_model

        model = load_model(model)
    return Predictor(lower(model, Mode.PREDICT))
