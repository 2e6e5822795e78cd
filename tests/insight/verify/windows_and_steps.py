"""Convolutional and recurrent networks, and the same computed by hand with a mistake in one layer."""

import functools

import numpy as np

from foldnet import Sequential, layers, trace
from tests.insight.insight_networks import ACTIVATIONS, fill, layer_by_hand

filled = fill


def image(seed=1):
    """Even sizes and strides of 2, so that the padding is not the same at both ends."""
    return fill(
        Sequential(
            [
                layers.Input((8, 8, 3)),
                layers.Conv2D(3, 3, 2, "same", activation="relu", name="conv"),
                layers.BatchNormalization(name="bn"),
                layers.AveragePooling2D(3, 2, "same", name="mean"),
                layers.Conv2D(4, 2, padding="same", activation="hard_sigmoid", name="last"),
                layers.Flatten(name="flat"),
                layers.Dense(3, activation="softmax", name="out"),
            ],
            name="image",
        ),
        seed,
    )


def planes(seed=2):
    """Channels first; a kernel of each size and both strides."""
    return fill(
        Sequential(
            [
                layers.Input((2, 6, 6)),
                layers.Conv2D(4, (3, 2), (2, 1), "same", data_format="channels_first", name="conv"),
                layers.BatchNormalization(axis=1, name="bn"),
                layers.Activation("tanh", name="act"),
                layers.MaxPooling2D(2, 1, data_format="channels_first", name="most"),
                layers.DepthwiseConv2D(
                    2, depth_multiplier=2, data_format="channels_first", activation="tanh", name="each"
                ),
                layers.Flatten(name="flat"),
                layers.Dense(2, name="out"),
            ],
            name="planes",
        ),
        seed,
    )


def signal(seed=3):
    """Dilation, causal and same padding, groups."""
    return fill(
        Sequential(
            [
                layers.Input((11, 2)),
                layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh", name="causal"),
                layers.BatchNormalization(name="bn"),
                layers.Conv1D(4, 3, 2, "same", groups=2, activation="tanh", name="groups"),
                layers.AveragePooling1D(3, 1, "same", name="mean"),
                layers.Conv1D(3, 4, 1, "same", name="even"),
                layers.GlobalAveragePooling1D(name="all"),
                layers.Dense(2, name="out"),
            ],
            name="signal",
        ),
        seed,
    )


def volume(seed=4):
    return fill(
        Sequential(
            [
                layers.Input((4, 4, 3, 2)),
                layers.Conv3D(3, 2, activation="relu", name="conv"),
                layers.BatchNormalization(name="bn"),
                layers.Flatten(name="flat"),
                layers.Dense(2, name="out"),
            ],
            name="volume",
        ),
        seed,
    )


def states(seed=5):
    """Masked sequences through an LSTM and both directions of a GRU."""
    return fill(
        Sequential(
            [
                layers.Input((6, 3)),
                layers.Masking(-1.0, name="masking"),
                layers.LSTM(3, recurrent_activation="hard_sigmoid", return_sequences=True, name="lstm"),
                layers.Bidirectional(layers.GRU(2, return_sequences=True), name="both"),
                layers.GlobalAveragePooling1D(name="mean"),
                layers.Dense(2, name="out"),
            ],
            name="states",
        ),
        seed,
    )


def tokens(seed=6):
    """A GRU as first described, over indices of which 0 is no word; then Keras's own."""
    return fill(
        Sequential(
            [
                layers.Input((5,), dtype="int32"),
                layers.Embedding(9, 3, mask_zero=True, name="table"),
                layers.GRU(3, reset_after=False, return_sequences=True, name="first"),
                layers.SimpleRNN(3, return_sequences=True, go_backwards=True, name="back"),
                layers.GRU(3, recurrent_activation="hard_sigmoid_keras2", name="last"),
                layers.Dense(2, name="out"),
            ],
            name="tokens",
        ),
        seed,
    )


NETWORKS = {f.__name__: f for f in (image, planes, signal, volume, states, tokens)}


def rows_for(model, count=24, seed=0):
    """Data with masked steps at the ends of some sequences."""
    generator = np.random.default_rng(seed)
    shape = model.inputs[0].shape[1:]
    if model.name == "tokens":
        x = generator.integers(1, 9, (count, *shape))
        for row in x[::2]:
            row[generator.integers(2, shape[0]) :] = 0
        return x.astype(np.int32)
    x = generator.normal(size=(count, *shape)).astype(np.float32)
    if model.name == "states":
        for row in x[::2]:
            row[generator.integers(2, shape[0]) :] = -1
    return x


# -- windows, with channels last ----------------------------------------------------------------------------------


@functools.cache
def made(name):
    """A network, and rows for it."""
    model = NETWORKS[name]()
    return model, rows_for(model)


def same(n, covers, stride):
    total = max((-(-n // stride) - 1) * stride + covers - n, 0)
    return total // 2, total - total // 2


def around(layer, x, sizes, dilations, sides):
    """x with the positions that the layer's padding adds, NaN, and how many come before."""
    if layer.padding == "valid":
        return x
    widths = []
    for n, k, d, s in zip(x.shape[1:-1], sizes, dilations, layer.strides, strict=True):
        covers = (k - 1) * d + 1
        widths.append((covers - 1, 0) if layer.padding == "causal" else same(n, covers, s))
    widths = [sides(*pair) for pair in widths]
    return np.pad(x, ((0, 0), *widths, (0, 0)), constant_values=np.nan)


def windows(x, sizes, strides, dilations, step=None):
    """(rows, windows..., channels, window...); ``step``: by how much windows really move."""
    covers = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    counts = [(n - c) // s + 1 for n, c, s in zip(x.shape[1:-1], covers, strides, strict=True)]
    space = tuple(range(1, x.ndim - 1))
    seen = np.lib.stride_tricks.sliding_window_view(x, covers, axis=space)
    moves = strides if step is None else [step] * len(sizes)
    taken = tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(counts, moves, strict=True))
    inside = tuple(slice(None, None, d) for d in dilations)
    return seen[(slice(None), *taken, slice(None), *inside)]


def conv_by_hand(
    layer, x, kernel=None, sides=lambda a, b: (a, b), step=None, dilations=None, activation=None
):
    w = layer.named_weights
    kernel = w["kernel"] if kernel is None else kernel(w["kernel"])
    dims = kernel.ndim - 2
    first = layer.data_format == "channels_first"
    x = np.moveaxis(x, 1, -1) if first else x
    padded = np.nan_to_num(around(layer, x, kernel.shape[:dims], layer.dilation_rate, sides))
    if dilations is not None:  # the same windows, of which positions side by side are taken
        covers = [(k - 1) * d + 1 for k, d in zip(kernel.shape, layer.dilation_rate, strict=False)]
        counts = [(n - c) // s + 1 for n, c, s in zip(padded.shape[1:], covers, layer.strides, strict=False)]
        seen = windows(padded, kernel.shape[:dims], layer.strides, dilations)
        seen = seen[(slice(None), *(slice(0, n) for n in counts))]
    else:
        seen = windows(padded, kernel.shape[:dims], layer.strides, layer.dilation_rate, step)
    letters = "hwd"[:dims]
    if hasattr(layer, "depth_multiplier"):
        y = np.einsum(f"n{letters.upper()}c{letters},{letters}cm->n{letters.upper()}cm", seen, kernel)
        y = y.reshape(*y.shape[:-2], -1)
    else:
        parts = zip(
            np.split(seen, layer.groups, axis=dims + 1), np.split(kernel, layer.groups, axis=-1), strict=True
        )
        y = np.concatenate(
            [
                np.einsum(f"n{letters.upper()}c{letters},{letters}cu->n{letters.upper()}u", s, k)
                for s, k in parts
            ],
            axis=-1,
        )
    y = y + w["bias"]
    y = (activation or FUNCTIONS[layer.activation.__name__])(y)
    return np.moveaxis(y, -1, 1) if first else y


def pool_by_hand(layer, x, sides=lambda a, b: (a, b), counted=False, step=None, mean=None):
    first = layer.data_format == "channels_first"
    x = np.moveaxis(x, 1, -1) if first else x
    plain = (1,) * len(layer.pool_size)
    padded = around(layer, x, layer.pool_size, plain, sides)
    seen = windows(np.nan_to_num(padded) if counted else padded, layer.pool_size, layer.strides, plain, step)
    axes = tuple(range(-len(plain), 0))
    mean = "Average" in type(layer).__name__ if mean is None else mean
    y = (np.nanmean if mean else np.nanmax)(seen, axis=axes)
    return np.moveaxis(y, -1, 1) if first else y


# -- steps --------------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard3(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def hard2(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


FUNCTIONS = {**ACTIVATIONS, "hard_sigmoid": hard3, "hard_sigmoid_keras2": hard2}


def step_by_hand(kind, layer, w, x, states, gate, act, order=None, variant=""):
    """The states after one step; ``order`` says which part of the weights is taken for which gate."""
    n = layer.units
    h = states[0]
    if kind == "SimpleRNN":
        return (act(x @ w["kernel"] + w["bias"] + h @ w["recurrent_kernel"]),)
    part = {letter: slice(k * n, k * n + n) for k, letter in enumerate(order)}

    def of(letter, value, bias):
        return value @ w["kernel"][:, part[letter]] + bias[part[letter]]

    def back(letter, value):
        return value @ w["recurrent_kernel"][:, part[letter]]

    if kind == "LSTM":
        i, f, o = (gate(of(k, x, w["bias"]) + back(k, h)) for k in "ifo")
        c = f * states[1] + i * act(of("c", x, w["bias"]) + back("c", h))
        return o * act(c), c
    bias, again = w["bias"] if w["bias"].ndim == 2 else (w["bias"], np.zeros(3 * n))
    if variant == "biases-summed":
        bias, again = bias + again, 0 * again
    if variant == "recurrent-bias-missing":
        again = 0 * again
    z = gate(of("z", x, bias) + back("z", h) + again[part["z"]])
    r = gate(of("r", x, bias) + back("r", h) + again[part["r"]])
    after = layer.reset_after != (variant == "reset-after")
    own = r * (back("h", h) + again[part["h"]]) if after else back("h", r * h)
    if not after:
        own = own + again[part["h"]]
    candidate = act(of("h", x, bias) + own)
    return (
        (z * candidate + (1 - z) * h) if variant == "update-gate-inverted" else z * h + (1 - z) * candidate,
    )


def steps_by_hand(layer, x, mask, zeros=False, **wrong):
    """All steps of a recurrent layer."""
    kind = type(layer).__name__
    wrong = dict(wrong)
    gate, act = wrong.pop("gate", None), FUNCTIONS[layer.activation.__name__]
    if kind != "SimpleRNN":
        gate = gate or FUNCTIONS[layer.recurrent_activation.__name__]
        wrong.setdefault("order", "ifco" if kind == "LSTM" else "zrh")
    act = wrong.pop("act", act)
    backwards = layer.go_backwards != wrong.pop("turned", False)
    mask = None if wrong.pop("unmasked", False) else mask
    w = {**layer.cell.named_weights}
    if wrong.pop("plain", False):
        w["bias"] = np.zeros_like(w["bias"])
    states = [np.zeros((len(x), layer.units))] * (2 if kind == "LSTM" else 1)
    outputs = []
    for t in range(x.shape[1])[:: -1 if backwards else 1]:
        new = step_by_hand(kind, layer, w, x[:, t], states, gate, act, **wrong)
        y = new[0]
        if mask is not None:
            counts = mask[:, t, None]
            new = [np.where(counts, a, b) for a, b in zip(new, states, strict=True)]
            y = np.where(counts, y, 0) if zeros else new[0]
        states = new
        outputs.append(y)
    return np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]


def both_by_hand(layer, x, mask, not_turned=False, **wrong):
    first = steps_by_hand(layer.forward_layer, x, mask, zeros=True, **wrong)
    second = steps_by_hand(layer.backward_layer, x, mask, zeros=True, **wrong)
    return np.concatenate([first, second if not_turned else second[:, ::-1]], axis=-1)


# -- networks -----------------------------------------------------------------------------------------------------


def known_by_hand(layer, x, mask, **wrong):
    """One layer; its result and the mask after it."""
    kind = type(layer).__name__
    if "Conv" in kind:
        return conv_by_hand(layer, x, **wrong), mask
    if kind.startswith(("Max", "Average")):
        return pool_by_hand(layer, x, **wrong), mask
    if kind == "Masking":
        counts = (x != layer.mask_value).any(axis=-1)
        left_out = wrong.get("left_out")
        return (x, None) if left_out else (np.where(counts[..., None], x, 0), counts)
    if kind == "Embedding" and layer.mask_zero:
        return layer.named_weights["embeddings"][x], x != 0
    if kind == "GlobalAveragePooling1D":
        if mask is None or wrong:
            return x.mean(axis=1), None
        return (x * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True), None
    if kind == "Bidirectional":
        return both_by_hand(layer, x, mask, **wrong), mask
    if getattr(layer, "is_recurrent", False):
        return steps_by_hand(layer, x, mask, **wrong), mask if layer.return_sequences else None
    if kind == "Flatten" and "order" in wrong:
        return x.transpose(0, *wrong["order"]).reshape(len(x), -1), None
    return layer_by_hand(layer, x), mask


def by_hand(model, names="", **wrong):
    """The function from rows to predictions, with a mistake in one layer, or in several."""
    return _predict(model.layers, names, wrong, lambda name, x: x)


def tracing(model, names="", **wrong):
    """The same, and it shows every layer."""
    return _predict(model.layers, names, wrong, trace)


def without(model, name):
    """The function that leaves one layer out."""
    return _predict([layer for layer in model.layers if layer.name != name], "", {}, lambda name, x: x)


def _predict(stack, names, wrong, show):
    chosen = (names,) if isinstance(names, str) else names

    def predict(x):
        mask = None
        for layer in stack:
            x, mask = known_by_hand(layer, x, mask, **(wrong if layer.name in chosen else {}))
            x = show(layer.name, x if x.dtype.kind == "i" else x.astype(np.float32))
        return x

    return predict


def flipped(*axes):
    return lambda k: np.flip(k, axes)


def read_as(*order):
    """Stored with its axes in another order, and read as if they were in Keras's."""
    return lambda k: np.ascontiguousarray(k.transpose(order)).reshape(k.shape)


def taken_for(*order):
    """Taken for an array with its axes in another order, and put in Keras's."""
    return lambda k: k.reshape([k.shape[a] for a in order]).transpose(np.argsort(order))


def exchanged(a, b):
    return b, a


def everything_after(a, b):
    return 0, a + b


def symmetric(a, b):
    """As a library pads that has one number for both ends; the windows beyond its end are not computed."""
    return max(a, b), min(a, b)


OIHW, HWOI, OHWI = (3, 2, 0, 1), (0, 1, 3, 2), (3, 0, 1, 2)

PLANTED = {
    "kernel-flipped": [
        ("image", "conv", {"kernel": flipped(0, 1)}), ("image", "last", {"kernel": flipped(0, 1)}),
        ("image", "conv", {"kernel": flipped(0)}), ("planes", "conv", {"kernel": flipped(0, 1)}),
        ("planes", "each", {"kernel": flipped(0, 1)}), ("signal", "causal", {"kernel": flipped(0)}),
        ("signal", "groups", {"kernel": flipped(0)}), ("signal", "even", {"kernel": flipped(0)}),
        ("volume", "conv", {"kernel": flipped(0, 1, 2)}),
    ],
    "kernel-axes": [
        ("image", "conv", {"kernel": read_as(*OIHW)}), ("image", "conv", {"kernel": taken_for(*OIHW)}),
        ("image", "conv", {"kernel": read_as(*HWOI)}), ("image", "conv", {"kernel": read_as(*OHWI)}),
        ("image", "conv", {"kernel": read_as(1, 0, 2, 3)}), ("image", "last", {"kernel": read_as(*OIHW)}),
        ("planes", "conv", {"kernel": taken_for(*OIHW)}), ("planes", "each", {"kernel": read_as(0, 1, 3, 2)}),
        ("signal", "causal", {"kernel": read_as(2, 1, 0)}), ("signal", "even", {"kernel": taken_for(2, 1, 0)}),
        ("volume", "conv", {"kernel": read_as(4, 3, 0, 1, 2)}),
        ("volume", "conv", {"kernel": taken_for(4, 3, 2, 1, 0)}),
    ],
    "padding-sides": [
        ("image", "conv", {"sides": symmetric}), ("planes", "conv", {"sides": exchanged}),
        ("signal", "causal", {"sides": everything_after}), ("signal", "even", {"sides": symmetric}),
        ("signal", "causal", {"sides": lambda a, b: ((a + b) // 2, (a + b) // 2)}),
        ("image", "mean", {"sides": symmetric}),
    ],
    "padding-counted": [("image", "mean", {"counted": True}), ("signal", "mean", {"counted": True})],
    "pooling-kind": [("image", "mean", {"mean": False}), ("planes", "most", {"mean": True})],
    "strides-ignored": [("image", "conv", {"step": 1}), ("signal", "groups", {"step": 1})],
    "dilation-ignored": [("signal", "causal", {"dilations": [1]})],
    "channels-order": [
        ("image", "flat", {"order": (3, 1, 2)}), ("planes", "flat", {"order": (2, 3, 1)}),
        ("volume", "flat", {"order": (4, 1, 2, 3)}), ("image", "conv", {"kernel": lambda k: k[:, :, ::-1]}),
        ("signal", "even", {"kernel": lambda k: k[:, ::-1]}),
    ],
    "bias-missing": [("tokens", "last", {"plain": True}), ("states", "lstm", {"plain": True})],
    "activation-missing": [
        ("image", "conv", {"activation": lambda x: x}), ("planes", "each", {"activation": lambda x: x}),
        ("signal", "causal", {"activation": lambda x: x}), ("states", "lstm", {"act": lambda x: x}),
    ],
    "gates-order": [
        *(("states", "lstm", {"order": o}) for o in ("ifoc", "icfo", "iofc", "fico", "iocf")),
        ("states", "both", {"order": "rzh"}), ("tokens", "first", {"order": "rzh"}),
        ("tokens", "last", {"order": "rzh"}), ("tokens", "last", {"order": "hrz"}),
    ],
    "update-gate-inverted": [
        ("states", "both", {"variant": "update-gate-inverted"}),
        ("tokens", "first", {"variant": "update-gate-inverted"}),
        ("tokens", "last", {"variant": "update-gate-inverted"}),
    ],
    "reset-after": [
        ("states", "both", {"variant": "reset-after"}), ("tokens", "first", {"variant": "reset-after"}),
        ("tokens", "last", {"variant": "reset-after"}),
    ],
    "biases-summed": [
        ("states", "both", {"variant": "biases-summed"}), ("tokens", "last", {"variant": "biases-summed"}),
    ],
    "recurrent-bias-missing": [
        ("states", "both", {"variant": "recurrent-bias-missing"}),
        ("tokens", "last", {"variant": "recurrent-bias-missing"}),
    ],
    "hard-sigmoid-version": [
        ("states", "lstm", {"gate": hard2}), ("tokens", "last", {"gate": hard3}),
        ("image", "last", {"activation": hard2}),
    ],
    "gate-activation": [
        ("states", "lstm", {"gate": sigmoid}), ("states", "both", {"gate": hard3}),
        ("tokens", "first", {"gate": hard2}), ("tokens", "last", {"gate": sigmoid}),
    ],
    "cell-activation": [("tokens", "back", {"act": ACTIVATIONS["relu"]})],
    "not-turned-round": [("states", "both", {"not_turned": True})],
    "direction": [("tokens", "back", {"turned": True}), ("tokens", "last", {"turned": True})],
    "mask-ignored": [
        ("states", "masking", {"left_out": True}),
        ("states", "both", {"unmasked": True}), ("states", "mean", {"unmasked": True}),
        ("tokens", "back", {"unmasked": True}), ("tokens", "last", {"unmasked": True}),
    ],
}  # fmt: skip
"""By the mistake's id: where it is made, and how: network, layer, arguments of the layer's function above."""
