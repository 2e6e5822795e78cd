"""The range of an activation's results."""

from __future__ import annotations

from math import inf

from foldnet.layers.traits import Ending
from foldnet.operations.elementwise.functions import FUNCTIONS

ALONG_AXIS = {"softmax": (0.0, 1.0), "sparsemax": (0.0, 1.0), "log_softmax": (-inf, 0.0)}


def value_range(ending: Ending | None) -> tuple[float, float]:
    """The smallest and the largest result of an activation; infinite without a limit, and for None.

    >>> value_range(("sigmoid", {})), value_range(("relu", {"max_value": 6, "negative_slope": 0.0, "threshold": 0.0}))
    ((0, 1), (0, 6.0))
    """
    name, parameters = ending or ("linear", {})
    if name in ALONG_AXIS:
        return ALONG_AXIS[name]
    function = FUNCTIONS.get(name)
    if function is None or set(function.parameters) - set(parameters):
        return -inf, inf
    given = {k: inf if parameters[k] is None else float(parameters[k]) for k in function.parameters}
    return function.values(given)
