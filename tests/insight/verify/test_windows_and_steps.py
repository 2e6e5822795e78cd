"""Mistakes planted in convolutional and recurrent networks are named; right functions are not accused."""

import functools

import numpy as np
import pytest

from foldnet.insight.verify import verify
from tests.insight.insight_networks import fill
from tests.insight.verify.windows_and_steps import NETWORKS, PLANTED, by_hand, rows_for, tracing, without

EVERY = [(mistake, *place) for mistake, places in PLANTED.items() for place in places]


@functools.cache
def made(name):
    model = NETWORKS[name]()
    return model, rows_for(model)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_not_accused(name, seed):
    model = fill(NETWORKS[name](), seed)
    result = verify(by_hand(model), model, rows_for(model, seed=seed))
    assert result.ok, str(result)
    assert (result.diagnoses, result.departs, result.searched) == ([], "", "")


@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_proven_on_rows_that_are_made(name):
    model, _ = made(name)
    result = verify(by_hand(model), model)
    assert {layer.status for layer in result.layers} == {"proven"}, str(result)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_left_out_is_noticed(name):
    """A function without it gives other numbers, or cannot be computed."""
    model, x = made(name)
    for layer in model.layers:
        assert not verify(without(model, layer.name), model, x, pair_seconds=0).ok, layer.name


@pytest.mark.parametrize(
    ("mistake", "name", "layer", "wrong"),
    EVERY,
    ids=[f"{m}-{n}-{p}{i}" for i, (m, n, p, _) in enumerate(EVERY)],
)
def test_mistakes_are_named(mistake, name, layer, wrong):
    model, x = made(name)
    predict = by_hand(model, layer, **wrong)
    assert not np.allclose(predict(x), by_hand(model)(x)), "this changes nothing"
    result = verify(predict, model, x, pair_seconds=0)
    assert not result.ok
    assert mistake in {d.mistake for d in result.diagnoses if d.layer == layer}, str(result)


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
