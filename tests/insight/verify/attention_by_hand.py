"""Networks with attention, and the same computed by hand with a mistake in it."""

import functools

import numpy as np

from foldnet import Input, Model, layers, trace
from tests.insight.insight_networks import fill, layer_by_hand


def ended(inputs, y, name, seed):
    y = layers.GlobalAveragePooling1D(name="mean")(y)
    return filled(Model(inputs, layers.Dense(3, name="out")(y), name=name), seed)


def filled(model, seed):
    """Random weights, with which no softmax is all but 0 and 1."""
    fill(model, seed)
    for layer in model.layers:
        for spec in layer.specs:
            if spec.name.endswith("/kernel"):
                layer.set_weight(
                    spec.name, layer.named_weights[spec.name] / np.sqrt(np.prod(spec.shape[:-1]))
                )
    return model


def words(seed=1):
    """Two layers of causal self-attention over masked tokens."""
    tokens = Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 6, mask_zero=True, name="table")(tokens)
    x = layers.MultiHeadAttention(2, 3, name="first")(x, x, use_causal_mask=True)
    x = layers.MultiHeadAttention(3, 2, name="second")(x, x)
    return ended(tokens, x, "words", seed)


def crossed(seed=2):
    """Queries and values of different lengths and sizes."""
    both = Input((10, 5), name="both")
    queries = layers.Cropping1D((0, 6), name="queries")(both)
    memory = layers.Cropping1D((4, 0), name="memory")(both)
    x = layers.MultiHeadAttention(2, 3, value_dim=4, output_shape=5, name="heads")(queries, memory)
    return ended(both, layers.Activation("tanh", name="act")(x), "crossed", seed)


def grouped(seed=3):
    """Heads that share keys and values, in a window, with a gate."""
    steps = Input((7, 5), name="steps")
    x = layers.GroupQueryAttention(3, 4, 2, sliding_window=3, name="window")(steps, steps)
    x = layers.GroupQueryAttention(2, 6, 3, use_gate=True, name="gated")(x, x, use_causal_mask=True)
    return ended(steps, layers.Activation("tanh", name="act")(x), "grouped", seed)


def plain(seed=4):
    """Attention without projections over masked tokens, with a scale."""
    tokens = Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 4, mask_zero=True, name="table")(tokens)
    x = layers.Attention(use_scale=True, name="scaled")([x, x], use_causal_mask=True)
    x = layers.Dense(4, activation="tanh", name="dense")(x)
    x = layers.Attention(name="dot")([x, x])
    return ended(tokens, x, "plain", seed)


def added(seed=5):
    """Scores that are sums of tanh(query + key)."""
    both = Input((9, 4), name="both")
    queries = layers.Cropping1D((0, 5), name="queries")(both)
    memory = layers.Cropping1D((3, 0), name="memory")(both)
    x = layers.Attention(score_mode="concat", use_scale=True, name="concat")([queries, memory])
    x = layers.AdditiveAttention(name="additive")([x, memory])
    return ended(both, layers.Activation("tanh", name="act")(x), "added", seed)


def free(seed=6):
    """Sequences of any length."""
    steps = Input((None, 5), name="steps")
    x = layers.MultiHeadAttention(2, 3, name="heads")(steps, steps, use_causal_mask=True)
    return ended(steps, layers.Activation("tanh", name="act")(x), "free", seed)


NETWORKS = {f.__name__: f for f in (words, crossed, grouped, plain, added, free)}


def rows_for(model, count=24, seed=0):
    generator = np.random.default_rng(seed)
    shape = tuple(n or 6 for n in model.inputs[0].shape[1:])
    if model.inputs[0].dtype == "int32":
        x = generator.integers(1, 9, (count, *shape))
        for row in x[::2]:
            row[: generator.integers(1, shape[0] - 1)] = 0
        return x.astype(np.int32)
    return generator.normal(size=(count, *shape)).astype(np.float32)


# -- attention ------------------------------------------------------------------------------------------------------


@functools.cache
def made(name):
    """A network, and rows for it."""
    model = NETWORKS[name]()
    return model, rows_for(model)


def split(x, heads, order="", tiled=1):
    """(rows, positions, heads, size)."""
    rows, n, width = x.shape
    if order == "size first":
        y = x.reshape(rows, n, width // heads, heads).transpose(0, 1, 3, 2)
    elif order == "heads before positions":
        y = x.reshape(rows, heads, n, width // heads).transpose(0, 2, 1, 3)
    else:
        y = x.reshape(rows, n, heads, width // heads)
    return y


def join(y, order=""):
    rows, n, heads, size = y.shape
    if order == "size first":
        y = y.transpose(0, 1, 3, 2)
    if order == "heads before positions":
        y = y.transpose(0, 2, 1, 3)
    return y.reshape(rows, n, heads * size)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def allowed(shape, masks, causal, window, by="right", inverted=False):
    """Which position of the values each of the queries attends to: (rows, 1, queries, values)."""
    rows, queries, values = shape
    apart = np.arange(queries)[:, None] - np.arange(values)
    counts = np.ones((rows, queries, values), bool)
    if causal:
        counts &= {
            "right": apart >= 0, "missing": apart < 99, "reversed": apart <= 0, "before": apart > 0,
            "after": apart >= -1,
        }[by]  # fmt: skip
    if window:
        counts &= abs(apart) < window
    for mask, axis in zip(masks, (2, 1), strict=True):
        counts = counts if mask is None else counts & np.expand_dims(mask, axis)
    return (~counts if inverted else counts)[:, None]


def heads_by_hand(layer, query, value, masks, causal, *, scale="root", axis=-1, splits="", joins="", tiled=False,
                  causes="right", keyless=False, unmasked=False, windowless=False, inverted=False):  # fmt: skip
    """MultiHeadAttention and GroupQueryAttention."""
    w = layer.named_weights

    def projected(name, x, order=splits):
        kernel, bias = w[f"{name}/kernel"], w[f"{name}/bias"]
        flat = x @ kernel.reshape(x.shape[-1], -1) + bias.reshape(-1)
        return split(flat, kernel.shape[1], order)

    q, k, v = projected("query", query), projected("key", value), projected("value", value)
    heads, size = q.shape[2:]
    if k.shape[2] != heads:
        times = heads // k.shape[2]
        k, v = ((np.tile(y, (1, 1, times, 1)) if tiled else np.repeat(y, times, axis=2)) for y in (k, v))
    divisor = {"root": np.sqrt(size), "none": 1, "size": size, "all": np.sqrt(size * heads)}[scale]
    scores = np.einsum("nqhs,nkhs->nhqk", q, k) / divisor
    masks = (None, None) if unmasked else (masks[0], None) if keyless else masks
    window = None if windowless else getattr(layer, "sliding_window", None)
    counts = allowed((len(q), q.shape[1], k.shape[1]), masks, causal, window, causes, inverted)
    scores = softmax(np.where(counts, scores, -1e9), axis)
    y = np.einsum("nhqk,nkhs->nqhs", scores, v)
    if getattr(layer, "use_gate", False):
        gate = projected("gate", query, splits if splits == joins else "")
        y = y * 0.5 * (1 + np.tanh(0.5 * gate))
    kernel = w["attention_output/kernel"]
    return join(y, joins) @ kernel.reshape(-1, kernel.shape[-1]) + w["attention_output/bias"]


def plain_by_hand(layer, query, value, masks, causal, *, mode=None, scaled=True, weighted=True, divided=False, axis=-1,
                  causes="right", unmasked=False, inverted=False):  # fmt: skip
    """Attention and AdditiveAttention."""
    w = layer.named_weights
    own = "additive" if layer.adds else layer.score_mode
    mode = mode or own
    scale = w["scale"] if scaled and "scale" in w else 1.0
    if mode == "dot":
        scores = np.einsum("nqs,nks->nqk", query, value)
        scores = scores * scale if own == "dot" else scores
    else:
        both = query[:, :, None] + value[:, None]
        if mode == "concat":
            scores = np.tanh(both * scale).sum(axis=-1)
            scores = scores * (w["concat_score_weight"] if weighted and "concat_score_weight" in w else 1.0)
        else:
            scores = (np.tanh(both) * scale).sum(axis=-1)
    scores = scores / np.sqrt(query.shape[-1]) if divided else scores
    counts = allowed(scores.shape, (None, None if unmasked else masks[1]), causal, None, causes, inverted)[
        :, 0
    ]
    y = softmax(np.where(counts, scores, -1e9), axis) @ value
    return y if masks[0] is None else np.where(masks[0][..., None], y, 0)


# -- networks -------------------------------------------------------------------------------------------------------


def layer_and_mask(call, values, masks, **wrong):
    layer, x = call.layer, values[0]
    kind = type(layer).__name__
    causal = call.kwargs.get("use_causal_mask", False)
    if "Attention" in kind:
        function = plain_by_hand if hasattr(layer, "adds") else heads_by_hand
        return function(layer, *values[:2], masks[:2], causal, **wrong), masks[0]
    if kind == "Embedding":
        return layer.named_weights["embeddings"][x], x != 0
    if kind == "Cropping1D":
        ((before, after),) = layer.cropping
        return x[:, before : x.shape[1] - after], None
    if kind == "GlobalAveragePooling1D":
        mask = masks[0]
        if mask is None:
            return x.mean(axis=1), None
        with np.errstate(invalid="ignore"):  # rows without any word
            return (x * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True), None
    return layer_by_hand(layer, x), masks[0]


def by_hand(model, names="", show=lambda name, x: x, left_out="", **wrong):
    """The function from rows to predictions, with a mistake in one layer, or in several, or without a layer."""
    chosen = (names,) if isinstance(names, str) else names

    def predict(x):
        values = {model.inputs[0]: (x, None)}
        for call in model.graph_calls:
            if call.layer.is_input:
                continue
            own = wrong if call.layer.name in chosen else {}
            given, masks = zip(*(values[t] for t in call.inputs), strict=True)
            if call.layer.name == left_out:
                values[call.outputs[0]] = given[0], masks[0]
                continue
            y, mask = layer_and_mask(call, given, masks, **own)
            values[call.outputs[0]] = show(call.layer.name, y.astype(np.float32)), mask
        return values[model.outputs[0]][0]

    return predict


def tracing(model, names="", **wrong):
    """The same, and it shows every layer."""
    return by_hand(model, names, trace, **wrong)


def without(model, name):
    """The function that passes on what one layer is given."""
    return by_hand(model, left_out=name)


HEADED = [
    ("words", "first"),
    ("words", "second"),
    ("crossed", "heads"),
    ("grouped", "window"),
    ("grouped", "gated"),
    ("free", "heads"),
]
PLAIN = [("plain", "scaled"), ("plain", "dot"), ("added", "concat"), ("added", "additive")]
CAUSAL = (HEADED[0], *HEADED[4:], PLAIN[0])
ORDERS = ("size first", "heads before positions")

PLANTED = {
    "scores-not-scaled": [(*place, {"scale": "none"}) for place in HEADED],
    "scores-scale": [
        *((*place, {"scale": "size"}) for place in HEADED), *((*place, {"scale": "all"}) for place in HEADED),
    ],
    "scores-scaled": [("plain", "scaled", {"divided": True}), ("plain", "dot", {"divided": True})],
    "softmax-axis": [
        *((*place, {"axis": 2}) for place in HEADED), *((*place, {"axis": 1}) for place in PLAIN),
        ("words", "second", {"axis": 1}),
    ],
    "causal-mask-missing": [
        (*place, {"causes": "missing"}) for place in CAUSAL
    ],
    "causal-mask-reversed": [
        (*place, {"causes": "reversed"}) for place in CAUSAL
    ],
    "causal-mask-shifted": [
        (*place, {"causes": how}) for place in CAUSAL for how in ("before", "after")
    ],
    "sliding-window-ignored": [("grouped", "window", {"windowless": True})],
    "mask-ignored": [
        *((*place, {how: True}) for place in HEADED[:2] for how in ("keyless", "unmasked")),
        *((*place, {"unmasked": True}) for place in PLAIN[:2]),
    ],
    "mask-inverted": [(*place, {"inverted": True}) for place in (*HEADED[:2], *HEADED[3:], *PLAIN[:2])],
    "heads-order": [
        *((*place, {"splits": how}) for place in HEADED for how in ORDERS),
        *((*place, {"joins": how}) for place in HEADED for how in ORDERS),
        *((*place, {"splits": how, "joins": how}) for place in HEADED for how in ORDERS),
    ],
    "heads-shared": [(*place, {"tiled": True}) for place in HEADED[3:5]],
    "score-mode": [  # with another mode, a scale is in another place
        ("plain", "scaled", {"mode": "concat", "scaled": False}), ("plain", "scaled", {"mode": "concat"}),
        ("plain", "dot", {"mode": "concat"}),
        ("added", "concat", {"mode": "dot"}), ("added", "additive", {"mode": "dot"}),
    ],
    "scale-missing": [(*place, {"scaled": False}) for place in (PLAIN[0], *PLAIN[2:])],
    "concat-score-weight-missing": [("added", "concat", {"weighted": False})],
}  # fmt: skip
"""By the mistake's id: where it is made, and how: network, layer, arguments of the layer's function above."""
