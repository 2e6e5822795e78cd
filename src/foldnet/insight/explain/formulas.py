"""What each kind of layer computes, in training and at prediction time, with its own settings and shapes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, assert_never, cast

import numpy as np

from foldnet.insight.explain.explanation import Formula
from foldnet.layers.base import Layer
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import Shape
from foldnet.operations.elementwise.text import SIGNS

if TYPE_CHECKING:
    from foldnet.layers.attention import Attention
    from foldnet.layers.bidirectional import Bidirectional
    from foldnet.layers.convolving import Convolving
    from foldnet.layers.headed_attention import HeadedAttention
    from foldnet.layers.pooling import _Pooling
    from foldnet.layers.recurrent import RNN
    from foldnet.layers.time_distributed import TimeDistributed

Write = Callable[[Layer, tuple[Shape, ...]], Formula]


def formula_of(layer: Layer, input_shapes: tuple[Shape, ...]) -> Formula:
    """The formula of a layer call; for a kind without a formula, the first sentence of its description."""
    for cls in type(layer).__mro__:
        if cls.__name__ in FORMULAS:
            return FORMULAS[cls.__name__](layer, input_shapes)
    return _both(_description(layer))


def _description(layer: Layer) -> str:
    """The first sentence of what its class is described by."""
    described = inspect.getdoc(type(layer)) or type(layer).__name__
    return described.split("\n\n")[0].replace("\n", " ").replace("``", "").rstrip(".")


def shape_text(shape: Shape) -> str:
    """A shape with the batch axis named: ``(rows, 10)``.

    >>> shape_text((None, None, 3))
    '(rows, any, 3)'
    """
    sizes = ["rows", *("any" if n is None else str(n) for n in shape[1:])]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def activation_name(layer: Layer) -> str:
    """The name of a layer's activation, empty for none."""
    function = getattr(layer, "activation", None)
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", "")
    return "" if name == "linear" else str(name)


def _both(text: str) -> Formula:
    return Formula(text, text)


def _input(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    return _both("x, the data")


def _dense(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    weights = layer.named_weights
    inside = f"x @ kernel{weights['kernel'].shape}"
    if "bias" in weights:
        inside += f" + bias{weights['bias'].shape}"
    name = activation_name(layer)
    return _both(f"y = {name}({inside})" if name else f"y = {inside}")


def _convolution(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """The sum over a window, and how many windows there are."""
    (shape,), layer = shapes, cast("Convolving", found)
    out, axes, weights = layer.compute_output_shape(shape), layer.axes(shape), layer.named_weights
    kernels = " and ".join(
        f"{name}{array.shape}" for name, array in weights.items() if name.endswith("kernel")
    )
    name = activation_name(layer)
    inside = f"sum over a window of x * {kernels}" + (" + bias" if "bias" in weights else "")

    def along(sizes: Iterable[int | None]) -> str:
        return " x ".join("any" if n is None else str(n) for n in sizes)

    moves = [f"window {along(layer.kernel_size)}"]
    for word, sizes in (("step", layer.strides), ("spread by", layer.dilation_rate)):
        moves += [f"{word} {along(sizes)}"] if any(n != 1 for n in sizes) else []
    moves += [] if layer.padding == "valid" else [f"padding {layer.padding}"]
    before, after = (along(of[a] for a in axes) for of in (shape, out))
    made = f"{name}({inside})" if name else inside
    return _both(f"y = {made}; {', '.join(moves)}: {before} positions become {after}")


def _pooling(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """What is taken of each window, and how many windows there are."""
    (shape,), window = shapes, found.window
    layer = cast("_Pooling", found)
    assert window is not None
    out, axes = layer.compute_output_shape(shape), layer.axes(shape)

    def along(sizes: Iterable[int | None]) -> str:
        return " x ".join("any" if n is None else str(n) for n in sizes)

    what = "largest value" if layer.pool == "max" else "mean"
    beyond = "" if layer.padding == "valid" else ", padding same: positions beyond the ends do not count"
    before, after = (along(of[a] for a in axes) for of in (shape, out))
    return _both(
        f"y = {what} of a window; window {along(window[0])}, step {along(window[1])}{beyond}: "
        f"{before} positions become {after}"
    )


_IN_A_STEP = {
    "simple": "h = {act}(x @ kernel + h @ recurrent_kernel{bias})",
    "lstm": "i, f, c, o = x @ kernel + h @ recurrent_kernel{bias}, in four parts; carry = {gate}(f) × carry + "
    "{gate}(i) × {act}(c); h = {gate}(o) × {act}(carry)",
    "gru": "z and r = {gate}(x @ kernel + h @ recurrent_kernel{bias}), two of three parts; candidate = {act}(x @ "
    "kernel + (r × h) @ recurrent_kernel{bias}), the third part; h = z × h + (1 − z) × candidate",
    "gru_reset_after": "z and r = {gate}(x @ kernel + h @ recurrent_kernel{bias}{bias}), two of three parts; "
    "candidate = {act}(x @ kernel{bias} + r × (h @ recurrent_kernel{bias})), the third part; "
    "h = z × h + (1 − z) × candidate",
}


def _recurrent(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """What a step does, the states and the direction."""
    layer = cast("RNN", found)
    cells = getattr(layer.cell, "cells", [layer.cell])
    steps = []
    for cell in cells:
        names = {
            "act": activation_name(cell), "gate": _name(getattr(cell, "recurrent_activation", None)),
            "bias": " + bias" if cell.use_bias else "",
        }  # fmt: skip
        steps.append(_IN_A_STEP[cell.kind].format(**names))
    count = "any number of" if shapes[0][-2] is None else str(shapes[0][-2])
    way = "from the last to the first" if layer.go_backwards else "from the first to the last"
    start = "the initial states given" if len(shapes) > 1 else "zeros"
    gives = (
        "h of every step, in the order computed" if layer.return_sequences else "h after the last of these"
    )
    states = " and ".join(str(n) for n in layer.cell.state_sizes)
    also = ", and then the states" if layer.return_state else ""
    return _both(
        f"at each step: {'; then, with x = h of the cell before: '.join(steps)}. It goes through {count} steps "
        f"{way}, starting from {start} (states of {states} numbers); y is {gives}{also}"
    )


def _name(function: object) -> str:
    return str(getattr(function, "__name__", ""))


_MERGED = {
    "concat": "both side by side", "sum": "their sum", "mul": "their product", "ave": "their mean",
    None: "both, one after the other",
}  # fmt: skip


def _bidirectional(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """Two recurrent layers, and how their results are joined."""
    layer = cast("Bidirectional", found)
    turned = (
        "; those of the second are turned round, so that both belong to the same step"
        if layer.return_sequences
        else ""
    )
    forward, backward = (
        _recurrent(part, shapes[:1]).prediction for part in (layer.forward_layer, layer.backward_layer)
    )
    return _both(
        f"y = {_MERGED[layer.merge_mode]}, of two layers with weights of their own{turned}. The first: {forward}. "
        f"The second: {backward}"
    )


def _at_every_step(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """What the layer inside computes, or through which layers a network inside goes."""
    (rows, steps, *step), layer = shapes[0], cast("TimeDistributed", found)
    begin = f"at each {'step' if steps is None else f'of {steps} steps'}"
    network = layer.inner_network
    if network is not None:
        names = " → ".join(inner.name for inner in network.operations if not inner.is_input)
        text = f"{begin}, the network {network.name!r}: {names}"
        return Formula(f"{text}, as in training", text) if layer.differs_in_training() else _both(text)
    inside = formula_of(layer.layer, ((rows, *step),))
    alone = ", with statistics of each step alone" if layer.layer.normalizes_by == "batch" else ""
    return Formula(f"{begin}{alone}: {inside.training}", f"{begin}: {inside.prediction}")


def _headed_attention(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """Which positions attend to which, with how many heads of which size."""
    layer = cast("HeadedAttention", found)
    query, value = shapes[:2]
    axes = layer.axes_of_positions(len(query))
    of_query, of_values = (
        " x ".join("any" if s[a] is None else str(s[a]) for a in axes) for s in (query, value)
    )
    sizes = f"{layer.heads} heads with keys of {layer.key_size} and values of {layer.value_size} numbers"
    if layer.key_value_heads != layer.heads:
        sizes += f", {layer.heads // layer.key_value_heads} of which share one head of key and value"
    window = layer.sliding_window
    near = f"; only positions less than {window} apart" if window is not None else ""
    scores = f"scores = softmax(query @ key.T / sqrt({layer.key_size}))"
    dropped = f", {layer.dropout:g} of which are dropped" if layer.dropout else ""
    gated = " × gate" if layer.use_gate else ""
    who = f"each of {of_query} positions of the query attends to {of_values} positions of the values{near}"
    end = f"y = (scores @ value{gated}) @ attention_output; {sizes}; {who}"
    return Formula(f"{scores}{dropped}; {end}", f"{scores}; {end}")


def _attention(found: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """How scores are made, and which positions attend to which."""
    layer = cast("Attention", found)
    names = [w.name for w in layer.specs]
    scale = "scale × " if "scale" in names else ""
    both = f"{scale}(query + key)" if scale else "query + key"
    if layer.adds:
        made = f"sum of {scale}tanh(query + key)"
    elif layer.score_mode == "concat":
        made = f"concat_score_weight × sum of tanh({both})"
    else:
        made = f"{scale}query @ key.T"
    dropped = f", {layer.dropout:g} of which are dropped" if layer.dropout else ""
    of_query, of_values = ("any" if s[-2] is None else str(s[-2]) for s in shapes[:2])
    who = f"each of {of_query} positions of the query attends to {of_values} positions of the values"
    end = f"y = scores @ value; {who}"
    return Formula(f"scores = softmax({made}){dropped}; {end}", f"scores = softmax({made}); {end}")


def _activation(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    return _both(f"y = {activation_name(layer) or ''}(x)" if activation_name(layer) else "y = x")


def _dropout(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    rate = layer.rate
    if rate == 0:
        return _both("y = x: a rate of 0 drops nothing")
    scale = (
        "y = 0: a rate of 1 drops everything"
        if rate == 1
        else (
            f"y = x × mask / (1 − {rate:g}); mask is 0 with probability {rate:g}, else 1, drawn again "
            f"each time"
        )
    )
    return Formula(
        scale, "y = x: nothing is dropped, and nothing scaled, because training divides by 1 − rate"
    )


def _alpha_dropout(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    return Formula(
        f"y = a × (x or −1.758 with probability {layer.rate:g}) + b; a, b keep mean 0 and variance 1",
        "y = x",
    )


def _gaussian_dropout(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    return Formula(f"y = x × noise of mean 1 and variance {layer.rate:g} / (1 − {layer.rate:g})", "y = x")


def _gaussian_noise(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    return Formula(f"y = x + noise of mean 0 and standard deviation {layer.stddev:g}", "y = x")


def _batch_normalization(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    names = [w.name for w in layer.specs]
    scale = " × gamma" if "gamma" in names else ""
    shift = " + beta" if "beta" in names else ""
    prediction = f"y = (x − moving_mean) / sqrt(moving_variance + {layer.epsilon:g}){scale}{shift}"
    if not layer.trainable:
        return Formula(prediction + ", since the layer is frozen (trainable=False)", prediction)
    return Formula(
        f"y = (x − batch mean) / sqrt(batch variance + {layer.epsilon:g}){scale}{shift}", prediction
    )


def _row_normalization(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    over = f"over axis {layer.axis!r} of each row"
    weights = {n: f"{n}{w.shape}" for n, w in layer.named_weights.items()}
    end = "".join(f" {sign} {weights[n]}" for n, sign in (("gamma", "×"), ("beta", "+")) if n in weights)
    rule = layer.normalization_rule(shapes[0])
    assert rule is not None, "only for normalizations"
    if rule.groups is not None:
        over = f"over each of {layer.groups} groups of channels" if layer.groups > 0 else "over each channel"
        over += " of each row"
    match rule.measure:
        case "length":
            return _both(f"y = x / length, the root of the sum of squares {over}")
        case "mean square":
            root = f"sqrt(mean of squares + {layer.epsilon:g})"
            return _both(f"y = x / {root} × {weights['scale']}; the mean is {over}")
        case "spread":
            return _both(f"y = x / sqrt(variance + {layer.epsilon:g}){end}; the variance is {over}")
        case "deviation":
            root = f"sqrt(variance + {layer.epsilon:g})"
            return _both(f"y = (x − mean) / {root}{end}; mean and variance are {over}")
        case _:
            assert_never(rule.measure)


def _operation(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    """``y = 2 * x``, or ``y = ops.mean(x, axis=1)``."""
    assert isinstance(layer, Operation)
    call = layer.calls[0]
    tensors = list(dict.fromkeys(call.inputs))
    names = {t: "x" if len(tensors) == 1 else f"x{i}" for i, t in enumerate(tensors, 1)}

    def text(value: object) -> str:
        if isinstance(value, list | tuple):
            inside = ", ".join(text(v) for v in value)
            return f"[{inside}]" if isinstance(value, list) else f"({inside})"
        if isinstance(value, np.ndarray) and value.ndim:
            return f"array{value.shape}"
        return names[value] if value in tensors else str(value)

    name = layer.record.name
    if name == "get_item":
        return _both(f"y = {text(call.arguments[0])}[{_key_text(call.arguments[1])}]")
    given = [text(value) for value in call.arguments]
    if name in _INFIX and len(given) == 2:
        return _both(f"y = {given[0]} {_INFIX[name]} {given[1]}")
    settings = [f"{key}={value!r}" for key, value in layer.settings.items() if value is not None]
    return _both(f"y = ops.{name}({', '.join(given + settings)})")


_INFIX = {**SIGNS, "true_divide": "/"}


def _key_text(key: object) -> str:
    """The text between the brackets of ``x[:, 0]``."""
    if isinstance(key, tuple):
        return ", ".join(map(_key_text, key))
    if isinstance(key, slice):
        ends = [key.start, key.stop] if key.step is None else [key.start, key.stop, key.step]
        return ":".join("" if end is None else str(end) for end in ends)
    return "..." if key is Ellipsis else str(key)


def _augmentation(layer: Layer, shapes: tuple[Shape, ...]) -> Formula:
    same = "y = x: images do not change at prediction time"
    return Formula(_description(layer).removeprefix("In training, "), layer.only_trains(*shapes) or same)


FORMULAS: dict[str, Write] = {
    "Activation": _activation,
    "Augmentation": _augmentation,
    "Attention": _attention,
    "HeadedAttention": _headed_attention,
    "Bidirectional": _bidirectional,
    "Convolving": _convolution,
    "RNN": _recurrent,
    "_Pooling": _pooling,
    "AlphaDropout": _alpha_dropout,
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "Dropout": _dropout,
    "GaussianDropout": _gaussian_dropout,
    "GaussianNoise": _gaussian_noise,
    "GroupNormalization": _row_normalization,
    "InputLayer": _input,
    "LayerNormalization": _row_normalization,
    "Operation": _operation,
    "RMSNormalization": _row_normalization,
    "SpatialDropout": _dropout,
    "TimeDistributed": _at_every_step,
    "UnitNormalization": _row_normalization,
}
"""By class name; a subclass without an entry uses its base's."""
