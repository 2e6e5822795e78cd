"""Random networks for the tests of graphs: chains with branches and shared layers, random statistics."""

import numpy as np
from hypothesis import strategies as st

from foldnet import layers
from foldnet.network import Model
from foldnet.sequential import Sequential


def randomize(model, seed=0, mean=1.0, spread=1.0):
    """Random weights in every layer, nested ones too; variances positive and far apart."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            randomize(layer, seed + 1, mean, spread)
            continue
        for spec in layer.specs:
            if "variance" in spec.name:
                value = rng.uniform(0.3, 3.0, spec.shape) * spread**2
            elif spec.name == "moving_mean":
                value = rng.normal(size=spec.shape) * mean
            elif spec.name == "gamma":
                value = rng.uniform(0.5, 1.5, spec.shape) * rng.choice([-1, 1], spec.shape)
            else:
                value = rng.normal(size=spec.shape)
            layer.set_weight(spec.name, value)
    return model


def q2(seed=0):
    """The 11-10-8-6-1 network with Dropout and BatchNormalization after each ReLU."""
    stack = [layers.Input((11,))]
    for i, units in enumerate([10, 8, 6]):
        stack += [
            layers.Dense(units, activation="relu", name=f"dense{i}"),
            layers.Dropout(0.3, name=f"drop{i}"),
            layers.BatchNormalization(name=f"norm{i}"),
        ]
    return randomize(Sequential([*stack, layers.Dense(1, activation="softmax", name="last")]), seed)


def chain(*stack, shape=(5,), seed=0, **settings):
    return randomize(Sequential([layers.Input(shape, name="x"), *stack]), seed, **settings)


KINDS = (
    "linear",
    "relu",
    "tanh",
    "norm",
    "norm_free",
    "drop",
    "activation",
    "shared",
    "branch",
    "shared_norm",
    "arithmetic",
    "moved",
)


def arithmetic(x, number):
    """What a user writes between two layers with a constant, by the kind of it."""
    return {
        "x + c": lambda: x + number,
        "c + x": lambda: number + x,
        "x - c": lambda: x - number,
        "c - x": lambda: number - x,
        "x * c": lambda: x * number,
        "c * x": lambda: number * x,
        "x / c": lambda: x / number,
        "-x": lambda: -x,
    }


ARITHMETIC = tuple(arithmetic(None, None))


@st.composite
def networks(draw):
    """A model and rows for it."""
    width = draw(st.integers(1, 4))
    inner = draw(st.sampled_from([(), (3,)]))
    x = inputs = layers.Input((*inner, width))
    shared = layers.Dense(width)
    shared_norm = layers.BatchNormalization()
    results = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8)):
        before = x
        match kind:
            case "linear":
                x = layers.Dense(width, use_bias=draw(st.booleans()))(x)
            case "relu" | "tanh":
                x = layers.Dense(width, activation=kind)(x)
            case "norm":
                axis = draw(st.integers(1, len(inner) + 1))
                x = layers.BatchNormalization(axis=axis, scale=draw(st.booleans()))(x)
            case "norm_free":
                x = layers.BatchNormalization(center=False)(x)
            case "drop":
                x = layers.Dropout(0.5)(x)
            case "activation":
                x = layers.Activation("sigmoid")(x)
            case "shared":
                x = shared(x)
            case "shared_norm":
                x = shared_norm(x)
            case "add":
                x = layers.Add()([layers.Dense(width)(x), layers.BatchNormalization()(before)])
            case "arithmetic":
                number = np.random.default_rng(draw(st.integers(0, 99))).uniform(0.5, 2.0, width)
                form = draw(st.sampled_from(ARITHMETIC))
                x = arithmetic(x, number if draw(st.booleans()) else float(number[0]))[form]()
            case "moved":
                turned = layers.Permute(tuple(range(1, len(inner) + 2))[::-1])(x)
                x = layers.Reshape((*inner, width))(turned)
            case "branch":
                results.append(layers.BatchNormalization()(before))
        if draw(st.integers(0, 5)) == 0:
            results.append(x)
    model = randomize(Model(inputs, [*results, x]), draw(st.integers(0, 99)))
    rows = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(3, *inner, width))
    return model, rows
