"""Every layer of every committed network is deleted in turn: ``verify`` fails each time.

Of the networks that several releases of Keras wrote, one file stands for all.
"""

from pathlib import Path

import numpy as np
import pytest

from foldnet import load_model, trace
from foldnet.insight.sites import sites_of
from foldnet.insight.verify import verify
from foldnet.insight.verify.layer_program import LayerProgram
from foldnet.lowering.lower import lower

ROOT = Path(__file__).parents[3]
FORMATS = ("keras-3.12.0-joined.keras", "keras-3.8.0-table.keras", "tf_keras-2.21-axes.h5")
FILES = {
    path.name: path
    for path in (
        *sorted((ROOT / "data" / "models").glob("*.keras")),
        *(ROOT / "tests" / "fixtures" / "formats" / name for name in FORMATS),
    )
}
SATURATED = {"wine_question.keras"}
"""Softmax over one unit is 1 whatever comes before it: only a candidate that shows its layers can be caught."""


def fitted(layer, x, like):
    """What the next layer reads when one is deleted: what that one read, repeated or cut to the shape."""
    if type(layer).__name__ == "Flatten":
        return x  # which the next layer cannot take
    return np.resize(x.reshape(len(x), -1), (len(x), like[0].size)).reshape(like.shape).astype(like.dtype)


def by_layers(model, shows, deleted=None):
    """A function that computes a network layer by layer, but for one."""
    graph = lower(model)
    sites = sites_of(model, graph)
    programs = {s.path: LayerProgram(s.layer, graph, s.operands, s.call) for s in sites if s.operands}

    def predict(*inputs):
        values = dict(zip(graph.inputs, inputs, strict=True))
        for site in sites:
            if site.operands:
                operands = [values[name] for name in site.operands]
                right = programs[site.path](operands)
                value = fitted(site.layer, operands[0], right) if site.path == deleted else right
                values[site.output] = trace(site.path, value) if shows else value
        return [values[name] for name in graph.outputs]

    return predict


def computes(site):
    """Whether leaving the layer out would change anything."""
    return any(type(node.op).__name__ != "Identity" for node in site.nodes)


@pytest.mark.parametrize("name", FILES)
def test_every_deleted_layer_is_noticed(name):
    model = load_model(FILES[name])
    shows = name in SATURATED
    whole = verify(by_layers(model, shows), model)
    assert whole.ok
    assert whole.proven or (
        shows and {x.name for x in whole.layers if x.status != "proven"} <= {"quality"}
    ), str(whole)
    sites = [site for site in sites_of(model, lower(model)) if computes(site)]
    assert len(sites) > 2
    for site in sites:
        result = verify(by_layers(model, shows, site.path), model, pair_seconds=0)
        assert not result.ok, f"{site.path} deleted was not noticed"
        assert result.exit_code == 1
        assert any(layer.status == "failed" for layer in result.layers)
