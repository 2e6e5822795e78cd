"""Networks with random weights and statistics, and the same computed by hand, layer by layer."""

import numpy as np

from foldnet import Model, Sequential, layers


def fill(model, seed=0):
    """Random weights for every layer: statistics far from fresh, all different."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            fill(layer, seed + 1)
            continue
        for spec in layer.specs:
            value = generator.normal(size=spec.shape)
            if spec.name == "kernel":
                value /= np.sqrt(spec.shape[0])
            if spec.name in ("moving_variance", "variance"):
                value = np.exp(value)
            if spec.name == "gamma":
                value = 1 + 0.5 * value
            if spec.name == "embeddings":
                value = np.round(value, 1)
            if spec.name == "bias":
                value *= 0.3
            layer.set_weight(spec.name, value)
    return model


def q2(seed=0):
    """Three blocks of Dense, Dropout, BatchNormalization on 11 features."""
    stack = [layers.Input((11,))]
    for units in (10, 8, 6):
        stack += [layers.Dense(units, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    return fill(Sequential([*stack, layers.Dense(1)], name="q2"), seed)


def iris(seed=1):
    x = layers.Input((4,))
    y = layers.BatchNormalization(epsilon=1e-5, name="bn")(x)
    y = layers.Dense(4, activation="relu", name="hidden")(y)
    return fill(Model(x, layers.Dense(3, activation="sigmoid", name="out")(y), name="iris"), seed)


def classifier(seed=2):
    return fill(
        Sequential(
            [
                layers.Input((5,)),
                layers.Dense(5, activation="tanh", name="square"),
                layers.BatchNormalization(scale=False, name="bn"),
                layers.Activation("relu", name="act"),
                layers.Dense(3, use_bias=False, activation="softmax", name="out"),
            ],
            name="classifier",
        ),
        seed,
    )


def images(seed=3):
    """Rank 4, channels first and last."""
    return fill(
        Sequential(
            [
                layers.Input((3, 4, 2)),
                layers.BatchNormalization(axis=1, name="first"),
                layers.Dense(4, activation="relu", name="dense"),
                layers.BatchNormalization(axis=[2, 3], name="many"),
                layers.Dense(2, name="out"),
            ],
            name="images",
        ),
        seed,
    )


def sequence(seed=4):
    return fill(
        Sequential(
            [
                layers.Input((6, 3)),
                layers.Dense(4, activation="relu", name="dense"),
                layers.BatchNormalization(center=False, name="bn"),
                layers.Dense(2, name="out"),
            ],
            name="sequence",
        ),
        seed,
    )


def words(seed=5):
    """Indices into a table, normalized by row and by batch, laid out flat."""
    return fill(
        Sequential(
            [
                layers.Input((3,), dtype="int32"),
                layers.Embedding(20, 4, name="table"),
                layers.LayerNormalization(name="rows"),
                layers.BatchNormalization(name="bn"),
                layers.Permute((2, 1), name="turn"),
                layers.Dense(3, activation="relu", name="dense"),
                layers.Flatten(name="flat"),
                layers.Dropout(0.5, name="drop"),
                layers.Dense(2, activation="softmax", name="out"),
            ],
            name="words",
        ),
        seed,
    )


def scaled(seed=6):
    """The data scaled first, by fixed numbers and by a normalization; square kernels; activations as layers."""
    return fill(
        Sequential(
            [
                layers.Input((4,)),
                layers.Normalization(name="adapted"),
                layers.Rescaling(0.5, 0.25, name="rescaled"),
                layers.Dense(4, name="one"),
                layers.BatchNormalization(name="bn_one"),
                layers.Activation("relu", name="act_one"),
                layers.Dense(4, activation="sigmoid", name="two"),
                layers.GaussianNoise(0.1, name="noise"),
                layers.Dense(4, name="three"),
                layers.ReLU(name="act_three"),
                layers.BatchNormalization(name="bn_three"),
                layers.Dense(3, name="logits"),
                layers.Activation("softmax", name="out"),
            ],
            name="scaled",
        ),
        seed,
    )


def rows(seed=7):
    """Normalizations of a row by itself, and an image laid out flat."""
    return fill(
        Sequential(
            [
                layers.Input((3, 2, 4)),
                layers.BatchNormalization(axis=-1, name="bn"),
                layers.GroupNormalization(2, name="groups"),
                layers.LayerNormalization(axis=[2, 3], name="normed"),
                layers.Flatten(name="flat"),
                layers.RMSNormalization(name="rms"),
                layers.Dense(3, activation="tanh", name="dense"),
                layers.Dense(2, activation="softmax", name="out"),
            ],
            name="rows",
        ),
        seed,
    )


STACKS = {
    "q2": q2,
    "iris": iris,
    "classifier": classifier,
    "images": images,
    "sequence": sequence,
    "words": words,
}
"""Networks of one layer after another, which ``by_hand`` can compute."""
ALL_STACKS = STACKS | {"scaled": scaled, "rows": rows}


def stack_of(model):
    return [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
}


def layer_by_hand(layer, x):
    """One layer at prediction time, written without foldnet's engines."""
    w = layer.named_weights
    kind = type(layer).__name__
    if kind == "Dense":
        y = x @ w["kernel"] + w.get("bias", np.float32(0))
        return ACTIVATIONS[layer.activation.__name__](y)
    if kind == "Activation":
        return ACTIVATIONS[layer.activation.__name__](x)
    if kind == "Dropout":
        return x
    if kind == "Embedding":
        return w["embeddings"][x]
    if kind == "Flatten":
        return x.reshape(len(x), -1)
    if kind == "Permute":
        return x.transpose(0, *layer.dims)
    if kind == "ReLU":
        return np.maximum(x, 0)
    if kind == "GaussianNoise":
        return x
    if kind == "Rescaling":
        return x * np.float32(layer.scale) + np.float32(layer.offset)
    if kind == "Normalization":
        return (x - w["mean"]) / np.sqrt(w["variance"])
    if kind == "LayerNormalization":
        axes = tuple(a % x.ndim for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis))
        centred = x - x.mean(axis=axes, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + np.float32(layer.epsilon))
        shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
        return y * w["gamma"].reshape(shape) + w["beta"].reshape(shape)
    if kind == "GroupNormalization":
        parts = x.reshape(*x.shape[:-1], layer.groups, -1)
        axes = (*range(1, x.ndim - 1), x.ndim)
        centred = parts - parts.mean(axis=axes, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + np.float32(layer.epsilon))
        return y.reshape(x.shape) * w["gamma"] + w["beta"]
    if kind == "RMSNormalization":
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(layer.epsilon)) * w["scale"]
    if kind == "BatchNormalization":
        axes = [a % x.ndim for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis)]
        shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
        spread = {k: v.reshape(shape) for k, v in w.items()}
        y = (x - spread["moving_mean"]) / np.sqrt(spread["moving_variance"] + np.float32(layer.epsilon))
        return y * spread.get("gamma", np.float32(1)) + spread.get("beta", np.float32(0))
    raise TypeError(kind)


def by_hand(model, change=None):
    """A function from rows to predictions; ``change(index, layer, x, y)`` may replace a layer's result y."""

    def predict(x):
        for i, layer in enumerate(stack_of(model)):
            y = layer_by_hand(layer, x)
            if change is not None:
                y = change(i, layer, x, y)
            x = y.astype(np.float32)
        return x

    return predict
