"""Dropout applied at prediction time: reconstruct the candidate's random masks from its numbers.

If the candidate shows the layer's value, each number is zero or the right one times a factor. Otherwise, if the layer
is narrow, all masks are tried, row by row.
"""

from __future__ import annotations

from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.blocks import Patched
from foldnet.insight.oracle import difference, row_max, row_scale
from foldnet.insight.sites import Site
from foldnet.insight.verify.hypotheses import LOOSE, HypothesisTester, State
from foldnet.insight.verify.mistakes.base import Mistake, Suspect, patches_of

NARROW = 12
"""The largest number of values per row for which all masks are tried."""
ROWS = 4
"""The smallest number of rows: with fewer, some mask might fit by chance."""


def dropped(tester: HypothesisTester, state: State, site: Site, concerns: bool) -> Mistake | None:
    """Dropout with the masks that give the candidate's numbers at the state's next point; None if none do.

    Args:
        tester: with the candidate's values.
        state: of the search.
        site: a layer call.
        concerns: whether the next point depends on it.
    """
    rate = getattr(site.layer, "rate", None)
    if not concerns or not isinstance(rate, float) or not 0 < rate < 1 or not site.operands:
        return None
    right = state.values[site.output]
    for factor in (1 / (1 - rate), 1.0):
        name = tester.names[state.reached]
        if name == site.output:
            masks: Array | None = (tester.given[name] != 0) * factor
        elif prod(right.shape[1:]) <= NARROW and len(right) >= ROWS:
            masks = _masks(tester, state, site, factor)
        else:
            masks = None
        if masks is not None and not (masks == factor).all():
            # If the value is zero anyway, the mask is unknown and has no effect.
            return tester.fixed("dropout-applied", masks, factor=True)
    return None


def _masks(tester: HypothesisTester, state: State, site: Site, factor: float) -> Array | None:
    """For each row the mask with which the next point is closest to the candidate's."""
    right = state.values[site.output]
    size = prod(right.shape[1:])
    bits = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    choices = bits.reshape(-1, *right.shape[1:]) * factor
    constants = tester.oracle.graph.constants
    name = tester.names[state.reached]
    found = np.empty_like(right)
    off = np.argsort(-row_max(difference(tester.given[name], state.values[name])), kind="stable")
    for row in off:
        values = {
            k: v if k in constants else np.repeat(v[row : row + 1], len(choices), axis=0)
            for k, v in state.values.items()
        }
        drop = Suspect(site, Mistake("dropout-applied", lambda operands, y: y * choices))
        network = Patched(patches_of([*state.suspects, drop]), [site.output])
        after = tester.with_mistakes(values, network, state.reached)
        if after is None:
            return None
        error = row_max(difference(after[name], tester.given[name][row : row + 1]))
        best = int(error.argmin())
        if (
            error[best]
            > LOOSE * row_scale(after[name][best : best + 1])[0] + 64 * tester.exact.tolerances[name][row]
        ):
            return None
        found[row] = choices[best]
    return found
