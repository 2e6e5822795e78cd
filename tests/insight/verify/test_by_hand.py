"""Networks that are computed by hand: right functions pass, a layer left out is noticed, planted mistakes are named."""

import numpy as np
import pytest

from foldnet.insight.verify import verify
from tests.insight.verify import attention_by_hand, windows_and_steps

KITS = (windows_and_steps, attention_by_hand)
"""Modules with ``NETWORKS``, how they are made and computed by hand, and mistakes that are ``PLANTED`` in them."""
NETWORKS = [(kit, name) for kit in KITS for name in kit.NETWORKS]
EVERY = [
    (kit, mistake, *place) for kit in KITS for mistake, places in kit.PLANTED.items() for place in places
]
of_every_network = pytest.mark.parametrize(("kit", "name"), NETWORKS, ids=[name for _, name in NETWORKS])


@pytest.mark.parametrize("seed", range(3))
@of_every_network
def test_right_functions_are_not_accused(kit, name, seed):
    model = kit.filled(kit.NETWORKS[name](), seed)
    result = verify(kit.by_hand(model), model, kit.rows_for(model, seed=seed))
    assert result.ok, str(result)
    assert (result.diagnoses, result.departs, result.searched) == ([], "", "")


@of_every_network
def test_right_functions_are_proven_on_rows_that_are_made(kit, name):
    model = kit.made(name)[0]
    result = verify(kit.by_hand(model), model)
    assert {layer.status for layer in result.layers} == {"proven"}, str(result)


@of_every_network
def test_every_layer_left_out_is_noticed(kit, name):
    """A function without it gives other numbers, or cannot be computed."""
    model, x = kit.made(name)
    for layer in model.layers:
        if not layer.is_input:
            assert not verify(kit.without(model, layer.name), model, x, pair_seconds=0).ok, layer.name


@pytest.mark.parametrize(
    ("kit", "mistake", "name", "layer", "wrong"),
    EVERY,
    ids=[f"{m}-{n}-{p}{i}" for i, (_, m, n, p, _) in enumerate(EVERY)],
)
def test_mistakes_are_named(kit, mistake, name, layer, wrong):
    model, x = kit.made(name)
    predict = kit.by_hand(model, layer, **wrong)
    assert not np.allclose(predict(x), kit.by_hand(model)(x)), "this changes nothing"
    result = verify(predict, model, x, pair_seconds=0)
    assert not result.ok
    assert mistake in {d.mistake for d in result.diagnoses if d.layer == layer}, str(result)


@of_every_network
def test_with_the_layers_values_they_are_found_where_they_are(kit, name):
    """The first place of a mistake in the network, and the last."""
    model, x = kit.made(name)
    here = {
        mistake: [place[1:] for place in places if place[0] == name and "left_out" not in place[2]]
        for mistake, places in kit.PLANTED.items()
    }
    tried = [(m, *place) for m, places in here.items() for place in (places[:1] + places[1:][-1:])][:8]
    assert tried
    for mistake, layer, wrong in tried:
        result = verify(kit.tracing(model, layer, **wrong), model, x, pair_seconds=0)
        assert result.departs == layer
        assert mistake in {d.mistake for d in result.diagnoses}, str(result)
        assert {d.layer for d in result.diagnoses} == {layer}
