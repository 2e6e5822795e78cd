"""Networks that the export tests share: branches, several inputs and outputs, hostile names."""

from __future__ import annotations

import numpy as np

from foldnet import Input, Model, Sequential, layers
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.lowering.lower import lower


def randomize(network, seed=0):
    """Random weights and statistics, far from what a fresh layer has."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if hasattr(layer, "graph_calls"):
            randomize(layer, seed + 1)
            continue
        for spec in layer.specs:
            if "variance" in spec.name or spec.name in ("gamma", "scale"):
                value = rng.uniform(0.3, 2.5, spec.shape)
            elif spec.name == "count":
                value = np.ones(spec.shape)
            else:
                value = rng.normal(scale=0.7, size=spec.shape)
            layer.set_weight(spec.name, value)
    return network


def wine(units=(10, 8, 6)):
    """Dense, Dropout, BatchNormalization three times over, and a sigmoid."""
    network = Sequential([Input((11,))], name="wine")
    for n in units:
        network.add(layers.Dense(n, activation="relu"))
        network.add(layers.Dropout(0.3))
        network.add(layers.BatchNormalization())
    network.add(layers.Dense(1, activation="sigmoid"))
    return network


def branches():
    """A residual branch and a shared layer."""
    x = Input((6,), name="x")
    shared = layers.Dense(6, activation="tanh", name="shared")
    a = shared(x)
    b = shared(layers.BatchNormalization(name="norm")(a))
    y = layers.Add(name="sum")([a, b, x])
    y = layers.Concatenate(name="join")([y, layers.Activation("softplus", name="class")(a)])
    return Model(x, layers.Dense(2, activation="softmax", name="out")(y))


def two_by_two():
    """Two inputs, two outputs, one of them an inner value."""
    a, b = Input((4,), name="int"), Input((2, 3), name="linux")
    flat = layers.Flatten(name="y1")(b)
    both = layers.Concatenate(name="lambda")([layers.Dense(5, name="dense")(a), flat])
    y = layers.BatchNormalization(name="y1_")(both)
    return Model([a, b], [layers.Dense(2, name="out")(layers.LeakyReLU(name="x")(y)), y])


def lookups():
    """Integer indices and numbers side by side."""
    city = Input((2,), dtype="int32", name="city")
    size = Input((3,), name="size")
    flat = layers.Flatten()(layers.Embedding(7, 3, name="table")(city))
    y = layers.Concatenate()([flat, layers.BatchNormalization()(size)])
    return Model([city, size], layers.Dense(2, activation="gelu")(y))


def nested():
    """A network inside a network, called twice."""
    inner = Sequential(
        [Input((5,)), layers.Dense(5, activation="elu"), layers.BatchNormalization()], name="inner"
    )
    x = Input((5,), name="x")
    return Model(x, layers.Dense(1)(inner(inner(x))))


def rank_three():
    """Normalizations, padding of axes, a dot, on rows of rank 2."""
    x = Input((4, 6), name="x")
    y = layers.LayerNormalization()(layers.Dense(6)(x))
    y = layers.BatchNormalization(axis=1)(y)
    y = layers.GroupNormalization(groups=3)(y)
    y = layers.BatchNormalization(axis=[1, 2])(y)
    y = layers.PReLU(shared_axes=[1])(y)
    z = layers.Permute((2, 1))(layers.UnitNormalization()(y))
    return Model(x, layers.Softmax(axis=1)(layers.Dot(axes=(2, 1))([y, z])))


def plain_statistics():
    """BatchNormalization without gamma, without beta, without both, and renormed."""
    kinds = [{"scale": False}, {"center": False}, {"scale": False, "center": False}, {"epsilon": 0.5}]
    return Sequential([Input((5,)), *(layers.BatchNormalization(**k) for k in kinds)])


def others():
    """The remaining layers of the dense family."""
    return Sequential([
        Input((6,)), layers.Rescaling(0.5, offset=-1.0), layers.GaussianNoise(0.1), layers.RMSNormalization(),
        layers.RepeatVector(3), layers.SpatialDropout1D(0.2), layers.Reshape((2, 9)), layers.ELU(0.3),
        layers.Activation("log_softmax"), layers.Flatten(), layers.ReLU(max_value=3.0, negative_slope=0.1),
        layers.AlphaDropout(0.1), layers.Dense(4, use_bias=False, activation="mish"),
    ])  # fmt: skip


def attention():
    """Attention of all kinds, with masks, on two inputs."""
    x, mask = Input((5, 6), name="x"), Input((5, 5), name="mask", dtype="int32")
    y = layers.MultiHeadAttention(2, 3, dropout=0.1, name="heads")(
        x, x, attention_mask=mask > 4, use_causal_mask=True
    )
    y = layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="groups")(y, x, use_causal_mask=True)
    y, scores = layers.Attention(use_scale=True, score_mode="concat")([y, x], return_attention_scores=True)
    return Model([x, mask], [layers.AdditiveAttention()([y, x], use_causal_mask=True), scores])


MAKERS = {
    "wine": wine, "branches": branches, "two inputs, two outputs": two_by_two, "lookups": lookups,
    "nested": nested, "rank 3": rank_three, "normalizations without weights": plain_statistics, "others": others,
    "attention": attention,
}  # fmt: skip
NETWORKS = {name: randomize(make()) for name, make in MAKERS.items()}
NETS: dict[str, Graph] = {name: lower(network) for name, network in NETWORKS.items()}
"""The networks as lowered, every layer a step of its own."""


def rows_for(graph: Graph, rows: int, seed: int = 0) -> list[np.ndarray]:
    """Random data for a graph; free axes get 5, indices lie between 0 and 6."""
    rng = np.random.default_rng(seed)
    data = []
    for name in graph.inputs:
        shape = (rows, *(5 if n is None else n for n in graph.types[name].shape[1:]))
        if graph.types[name].dtype == INT:
            data.append(rng.integers(0, 7, shape).astype(np.int32))
        else:
            data.append(rng.normal(scale=3, size=shape).astype(np.float32))
    return data
