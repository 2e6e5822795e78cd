"""What is checked of networks that are computed by hand: right functions pass, and planted mistakes are named.

``kit`` is the module that computes them: it has ``NETWORKS`` by name, ``by_hand`` and ``rows_for``.
"""

import functools

import numpy as np

from foldnet.insight.verify import verify


@functools.cache
def made(kit, name):
    """A network, and rows for it."""
    model = kit.NETWORKS[name]()
    return model, kit.rows_for(model)


def every_mistake(kit):
    """Each planted mistake with its places, and a name for the case."""
    every = [(mistake, *place) for mistake, places in kit.PLANTED.items() for place in places]
    return every, [f"{m}-{n}-{p}{i}" for i, (m, n, p, _) in enumerate(every)]


def check_not_accused(kit, model, seed):
    result = verify(kit.by_hand(model), model, kit.rows_for(model, seed=seed))
    assert result.ok, str(result)
    assert (result.diagnoses, result.departs, result.searched) == ([], "", "")


def check_proven(kit, name):
    model, _ = made(kit, name)
    result = verify(kit.by_hand(model), model)
    assert {layer.status for layer in result.layers} == {"proven"}, str(result)


def check_named(kit, mistake, name, layer, wrong):
    model, x = made(kit, name)
    predict = kit.by_hand(model, layer, **wrong)
    assert not np.allclose(predict(x), kit.by_hand(model)(x)), "this changes nothing"
    result = verify(predict, model, x, pair_seconds=0)
    assert not result.ok
    assert mistake in {d.mistake for d in result.diagnoses if d.layer == layer}, str(result)
