"""Mistakes planted in attention are named; right functions are not accused."""

import functools

import pytest

from foldnet.insight.verify import verify
from tests.insight.verify import attention_by_hand, by_hand_checks
from tests.insight.verify.attention_by_hand import NETWORKS, by_hand, filled, tracing
from tests.insight.verify.by_hand_checks import check_named, check_not_accused, check_proven, every_mistake

EVERY, CASES = every_mistake(attention_by_hand)
made = functools.partial(by_hand_checks.made, attention_by_hand)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_not_accused(name, seed):
    check_not_accused(attention_by_hand, filled(NETWORKS[name](), seed), seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_right_functions_are_proven_on_rows_that_are_made(name):
    check_proven(attention_by_hand, name)


@pytest.mark.parametrize(("mistake", "name", "layer", "wrong"), EVERY, ids=CASES)
def test_mistakes_are_named(mistake, name, layer, wrong):
    check_named(attention_by_hand, mistake, name, layer, wrong)


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
