"""Random networks in live Keras and in foldnet: a fixed number of seeds; ``make soak`` runs as many as one likes."""

from __future__ import annotations

import pytest

from tests.soak.compare import WAYS
from tests.soak.grow import network
from tests.soak.recipe import build
from tests.soak.shrink import script, shrunk
from tests.soak.soak import Report, run, told

SEEDS = 42
TOGETHER = 6
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_random_networks_predict_as_in_keras(first):
    report = Report()
    for seed in range(first, first + TOGETHER):
        ways = WAYS if seed % 10 == 0 else [way for way in WAYS if way != "c"]
        wrong = run(report, seed, ways)
        assert not wrong, told(network(seed), seed, wrong[0])
    assert sum(report.refused.values()) + sum(report.by_keras.values()) <= TOGETHER / 2, report.text()


def has_gru(recipe):
    return any(step.class_name == "GRU" for step in recipe.steps)


def test_a_failure_becomes_as_small_as_it_gets():
    recipe = next(r for r in map(network, range(99)) if has_gru(r) and len(r.steps) > 3)
    small = shrunk(recipe, lambda candidate: bool(build(candidate)) and has_gru(candidate))
    assert len(small.steps) == len(small.inputs) == len(small.outputs) == 1
    assert "layers.GRU(units=" in script(small, 0, "native")
