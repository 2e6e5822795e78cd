"""Every mistake, planted in every network, is found and named; right functions are never accused."""

import numpy as np
import pytest
from insight_networks import ALL_STACKS, by_hand
from planted import IN_ONE_LAYER, other_side, planted_in_one_layer, swapped

from foldnet.insight import verify

STACKS = pytest.mark.parametrize("stack", ALL_STACKS)


def named(result, mistake, layers):
    return any(d.mistake == mistake and d.layer in layers and d.residual <= 1 for d in result.diagnoses)


@pytest.mark.parametrize("mistake", IN_ONE_LAYER)
@STACKS
def test_every_mistake_in_every_layer_is_named(stack, mistake):
    model = ALL_STACKS[stack]()
    for name, change in planted_in_one_layer(model, mistake):
        result = verify(by_hand(model, change), model, pair_seconds=0)
        if result.ok:
            continue  # it changes nothing here; that it does somewhere is tested below
        assert named(result, mistake, {name}), f"{mistake} in {name}: {result}"
