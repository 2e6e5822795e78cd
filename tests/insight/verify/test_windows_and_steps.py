"""Mistakes planted in convolutional and recurrent networks are named; right functions are not accused."""

import functools

import numpy as np
import pytest

from foldnet.insight.verify import verify
from tests.insight.insight_networks import fill
from tests.insight.verify import by_hand_checks, windows_and_steps
from tests.insight.verify.by_hand_checks import check_named, check_not_accused, check_proven, every_mistake
from tests.insight.verify.windows_and_steps import NETWORKS, PLANTED, by_hand, tracing, without

EVERY, CASES = every_mistake(windows_and_steps)
made = functools.partial(by_hand_checks.made, windows_and_steps)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_not_accused(name, seed):
    check_not_accused(windows_and_steps, fill(NETWORKS[name](), seed), seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_proven_on_rows_that_are_made(name):
    check_proven(windows_and_steps, name)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_left_out_is_noticed(name):
    """A function without it gives other numbers, or cannot be computed."""
    model, x = made(name)
    for layer in model.layers:
        assert not verify(without(model, layer.name), model, x, pair_seconds=0).ok, layer.name


@pytest.mark.parametrize(("mistake", "name", "layer", "wrong"), EVERY, ids=CASES)
def test_mistakes_are_named(mistake, name, layer, wrong):
    check_named(windows_and_steps, mistake, name, layer, wrong)


WITH_VALUES = [
    next((mistake, *place) for place in places if place[0] == name)
    for name in NETWORKS
    for mistake, places in PLANTED.items()
    if name in {place[0] for place in places} and not any("left_out" in wrong for _, _, wrong in places)
]


@pytest.mark.parametrize("name", NETWORKS)
def test_with_the_layers_values_they_are_found_where_they_are(name):
    model, x = made(name)
    places = [place for place in WITH_VALUES if place[1] == name]
    assert places
    for mistake, _, layer, wrong in places[:4]:
        result = verify(tracing(model, layer, **wrong), model, x, pair_seconds=0)
        assert result.departs == layer
        assert mistake in {d.mistake for d in result.diagnoses}, str(result)
        assert {d.layer for d in result.diagnoses} == {layer}


def test_the_same_mistake_in_every_layer():
    model, x = made("image")
    result = verify(
        by_hand(model, ("conv", "last"), kernel=lambda k: k[::-1, ::-1]), model, x, pair_seconds=0
    )
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [
        ("kernel-flipped", "conv"), ("kernel-flipped", "last"),
    ]  # fmt: skip


def test_masked_values_are_not_put_down_to_rounding():
    """A rounded mask_value would mask nothing, and the tolerance would hide any mistake."""
    model, x = made("states")
    wrong = by_hand(model, "mean", unmasked=True)
    assert not verify(wrong, model, x, pair_seconds=0).ok


def test_weights_of_layers_inside_a_layer_are_not_changed():
    """To try its mistakes, a layer is copied with the layers that it computes with."""
    model, x = made("states")
    before = [w.copy() for w in model.get_weights()]
    verify(by_hand(model, "lstm", plain=True), model, x, pair_seconds=0)
    assert all(map(np.array_equal, before, model.get_weights()))
