"""Mistakes planted in code by hand, each written out in NumPy without foldnet's own list of them."""

import functools
from itertools import combinations

import numpy as np

from foldnet import activations, trace
from foldnet.insight.verify import verify
from tests.insight.insight_networks import ACTIVATIONS, ALL_STACKS, by_hand, layer_by_hand, stack_of


def kind(layer):
    return type(layer).__name__


def spread(layer, x):
    """The weights of a BatchNormalization laid along its axes."""
    axes = [a % x.ndim for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis)]
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    w = {k: v.reshape(shape) for k, v in layer.named_weights.items()}
    w.setdefault("gamma", np.float32(1))
    w.setdefault("beta", np.float32(0))
    reduced = tuple(a for a in range(x.ndim) if a not in axes)
    return w["moving_mean"], w["moving_variance"], w["gamma"], w["beta"], np.float32(layer.epsilon), reduced


def in_batchnorm(formula):
    """A mistake in the formula of BatchNormalization: (x, mean, variance, gamma, beta, epsilon, reduced axes)."""
    return lambda layer, x, y: formula(x, *spread(layer, x)) if kind(layer) == "BatchNormalization" else None


def batchnorm(formula):
    return in_batchnorm(lambda x, m, v, g, b, e, axes: formula(x, m, v, g, b, e))


def normalized(x, mean, variance, gamma, beta, epsilon):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def activation_of(layer):
    if kind(layer) in ("Dense", "Activation"):
        return ACTIVATIONS[layer.activation.__name__]
    return (lambda x: np.maximum(x, 0)) if kind(layer) == "ReLU" else None


def activates(layer):
    return kind(layer) in ("Activation", "ReLU") or (
        kind(layer) == "Dense" and layer.activation is not activations.linear
    )


def before_activation(layer, x):
    """What a layer has before its activation; None if it has none."""
    if not activates(layer):
        return None
    return linear(layer, x) if kind(layer) == "Dense" else x


def linear(layer, x, kernel=None, bias=None):
    w = layer.named_weights
    kernel = w["kernel"] if kernel is None else kernel
    return x @ kernel + (w.get("bias", np.float32(0)) if bias is None else bias)


def in_dense(formula):
    return lambda layer, x, y: formula(layer, x) if kind(layer) == "Dense" else None


def transposed(layer, x):
    kernel = layer.kernel
    square = kernel.shape[0] == kernel.shape[1]
    return activation_of(layer)(linear(layer, x, kernel.T)) if square else None


def half(array):
    return array.astype(np.float16).astype(np.float32)


def weights_in_half(layer, x):
    bias = half(layer.named_weights.get("bias", np.zeros(1)))
    return activation_of(layer)(linear(layer, x, half(layer.kernel), bias))


def softmax_over(axis):
    def wrong(layer, x, y):
        if getattr(layer, "activation", None) is not activations.softmax:
            return None
        e = np.exp(before_activation(layer, x))
        return e / e.sum(axis=axis, keepdims=True)

    return wrong


def drop(layer, x, y):
    kept = np.random.default_rng(1).random(x.shape) >= layer.rate
    return x * kept / (1 - layer.rate)


def only(names, wrong):
    return lambda layer, x, y: wrong(layer, x, y) if kind(layer) in names else None


# By the mistake's id: from a layer, its operand and its right result to the wrong result, or None elsewhere.
IN_ONE_LAYER = {
    "variance-without-sqrt": [batchnorm(lambda x, m, v, g, b, e: (x - m) / (v + e) * g + b)],
    "epsilon-missing": [batchnorm(lambda x, m, v, g, b, e: normalized(x, m, v, g, b, 0))],
    "epsilon-1e-5": [
        batchnorm(lambda x, m, v, g, b, e: None if e < 2e-5 else normalized(x, m, v, g, b, np.float32(1e-5)))
    ],
    "epsilon-outside-sqrt": [batchnorm(lambda x, m, v, g, b, e: (x - m) / (np.sqrt(v) + e) * g + b)],
    "gamma-beta-swapped": [batchnorm(lambda x, m, v, g, b, e: normalized(x, m, v, b, g, e))],
    "statistics-swapped": [
        batchnorm(lambda x, m, v, g, b, e: normalized(x, v, m, g, b, e)),
        batchnorm(lambda x, m, v, g, b, e: normalized(x, v, np.abs(m), g, b, e)),
    ],
    "statistics-fresh": [batchnorm(lambda x, m, v, g, b, e: normalized(x, 0, 1, g, b, e))],
    "statistics-of-this-batch": [
        in_batchnorm(
            lambda x, m, v, g, b, e, axes: normalized(
                x, x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True), g, b, e
            )
        )
    ],
    "wrong-axis": [
        in_batchnorm(
            lambda x, m, v, g, b, e, axes: normalized(
                x, *(f(axis=tuple(range(1, x.ndim)), keepdims=True) for f in (x.mean, x.var)), g, b, e
            )
        )
    ],
    "batchnorm-left-out": [only(["BatchNormalization"], lambda layer, x, y: x)],
    "dropout-scaled": [
        only(["Dropout"], lambda layer, x, y: x * (1 - layer.rate)),
        only(["Dropout"], lambda layer, x, y: x / (1 - layer.rate)),
    ],
    "dropout-applied": [only(["Dropout"], drop)],
    "kernel-transposed": [in_dense(transposed)],
    "bias-missing": [in_dense(lambda layer, x: activation_of(layer)(linear(layer, x, bias=np.float32(0))))],
    "activation-missing": [lambda layer, x, y: before_activation(layer, x)],
    "softmax-axis": [softmax_over(0), softmax_over(None)],
    "float16-rounding": [
        lambda layer, x, y: None if kind(layer) in ("Dropout", "GaussianNoise") else half(y),
        in_dense(weights_in_half),
    ],
    "channels-order": [
        only(["Flatten"], lambda layer, x, y: x.transpose(0, *range(x.ndim - 1, 0, -1)).reshape(y.shape)),
        only(["Dense", "BatchNormalization"], lambda layer, x, y: y[..., ::-1]),
    ],
    "input-not-scaled": [only(["Normalization", "Rescaling"], lambda layer, x, y: x)],
    "layer-left-out": [
        only(["LayerNormalization", "GroupNormalization", "RMSNormalization"], lambda layer, x, y: x)
    ],
}


def planted_in_one_layer(model, mistake):
    """For each layer where it can be made: the layer's name and the function ``change`` of ``by_hand``."""
    for wrong in IN_ONE_LAYER[mistake]:
        for index, layer in enumerate(stack_of(model)):

            def change(i, each, x, y, index=index, wrong=wrong):
                with np.errstate(all="ignore"):
                    z = wrong(each, x, y) if i == index else None
                return y if z is None else z

            yield layer.name, change


def run(steps):
    """The function that computes steps one after the other, each a layer or a function."""

    def predict(x):
        with np.errstate(all="ignore"):
            for step in steps:
                x = (layer_by_hand(step, x) if hasattr(step, "named_weights") else step(x)).astype(np.float32)
        return x

    return predict


def swapped(model):
    """Two layers in the other order, wherever they fit: (names, function, mistake's id)."""
    stack = stack_of(model)
    for i, j in combinations(range(len(stack)), 2):
        a, b = stack[i], stack[j]
        alike = kind(a) == kind(b) and [s.shape for s in a.specs] == [s.shape for s in b.specs] and a.specs
        same_shape = a.calls[0].inputs[0].shape == a.output.shape == b.output.shape
        if alike or (j == i + 1 and same_shape):
            kinds = {kind(a), kind(b)}
            sides = kinds & {"Activation", "ReLU"} and "BatchNormalization" in kinds
            order = [*stack[:i], b, *stack[i + 1 : j], a, *stack[j + 1 :]]
            yield {a.name, b.name}, run(order), "batchnorm-before-activation" if sides else "layers-swapped"


def other_side(model):
    """BatchNormalization before the activation of the Dense that it follows: (name, function)."""
    stack = stack_of(model)
    for i, norm in enumerate(stack):
        j = i - 1
        while j > 0 and kind(stack[j]) == "Dropout":
            j -= 1
        source = stack[j]
        if kind(norm) == "BatchNormalization" and j >= 0 and kind(source) == "Dense" and activates(source):

            def both(x, source=source, norm=norm):
                return activation_of(source)(layer_by_hand(norm, before_activation(source, x)))

            yield norm.name, run([*stack[:j], both, *stack[i + 1 :]])


def in_half(model, weights_only):
    """Everything in float16, or the weights alone."""

    def predict(x):
        for layer in stack_of(model):
            kept = {k: v.astype(np.float16) for k, v in layer.named_weights.items()}
            if weights_only:
                kept = {k: v.astype(np.float32) for k, v in kept.items()}
            elif x.dtype.kind == "f":
                x = x.astype(np.float16)
            cls = type(type(layer).__name__, (type(layer),), {"named_weights": kept})
            changed = object.__new__(cls)
            changed.__dict__.update(layer.__dict__)
            x = layer_by_hand(changed, x).astype(np.float32 if weights_only else np.float16)
        return x.astype(np.float32)

    return predict


@functools.cache
def network(stack):
    """A network, and the rows that verify makes for it."""
    model, seen = ALL_STACKS[stack](), []

    def predict(x):
        seen.append(x)
        return by_hand(model)(x)

    assert verify(predict, model).ok
    return model, seen[0]


def differs(stack, function):
    """Whether a function gives other numbers than the network at all."""
    model, x = network(stack)
    return not np.array_equal(function(x), by_hand(model)(x), equal_nan=True)


def named(result, mistake, places):
    return any(d.mistake == mistake and d.layer in places and d.residual <= 1 for d in result.diagnoses)


def tracing(model, change=None):
    """The function by hand, which shows every layer."""

    def shown(i, layer, x, y):
        return trace(layer.name, (y if change is None else change(i, layer, x, y)).astype(np.float32))

    return by_hand(model, shown)
