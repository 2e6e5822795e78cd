"""Mistakes planted in attention are named; right functions are not accused."""

import functools

import numpy as np
import pytest

from foldnet.insight.verify import verify
from tests.insight.verify.attention_by_hand import NETWORKS, PLANTED, by_hand, filled, rows_for, tracing

EVERY = [(mistake, *place) for mistake, places in PLANTED.items() for place in places]


@functools.cache
def made(name):
    model = NETWORKS[name]()
    return model, rows_for(model)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_not_accused(name, seed):
    model = filled(NETWORKS[name](), seed)
    result = verify(by_hand(model), model, rows_for(model, seed=seed))
    assert result.ok, str(result)
    assert (result.diagnoses, result.departs, result.searched) == ([], "", "")


@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_proven_on_rows_that_are_made(name):
    model, _ = made(name)
    result = verify(by_hand(model), model)
    assert {layer.status for layer in result.layers} == {"proven"}, str(result)


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


@pytest.mark.parametrize("name", NETWORKS)
def test_with_the_layers_values_they_are_found_where_they_are(name):
    model, x = made(name)
    places = {mistake: place for mistake, *place in EVERY if place[0] == name}
    assert places
    for mistake, (_, layer, wrong) in list(places.items())[:4]:
        result = verify(tracing(model, layer, **wrong), model, x, pair_seconds=0)
        assert result.departs == layer
        assert mistake in {d.mistake for d in result.diagnoses}, str(result)
        assert {d.layer for d in result.diagnoses} == {layer}


def test_the_same_mistake_in_every_layer():
    model, x = made("words")
    result = verify(by_hand(model, ("first", "second"), scale="none"), model, x, pair_seconds=0)
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [
        ("scores-not-scaled", "first"), ("scores-not-scaled", "second"),
    ]  # fmt: skip


def test_a_mistake_that_none_of_them_is_stays_unnamed():
    """Scores that are divided by twice the right number are no known mistake."""
    model, x = made("crossed")
    right = by_hand(model)

    def predict(rows):
        layer = model.get_layer("heads")
        kernel = layer.named_weights["query/kernel"]
        layer.set_weight("query/kernel", kernel / 2.34)
        try:
            return right(rows)
        finally:
            layer.set_weight("query/kernel", kernel)

    result = verify(predict, model, x, pair_seconds=0)
    assert not result.ok
    assert result.diagnoses == []
