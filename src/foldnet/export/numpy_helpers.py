"""The text of the small functions that an exported NumPy file defines when it needs them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TEXTS = '''
def relu(x, negative_slope=0.0, max_value=np.inf, threshold=0.0):
    """x from the threshold on, at most max_value; below it, a line of that slope."""
    below = negative_slope * (x - threshold) if negative_slope else 0 * np.isnan(x)
    return np.where(x >= threshold, np.minimum(x, max_value), below)


def leaky_relu(x, negative_slope):
    """x where positive, a line of that slope elsewhere."""
    return np.where(x > 0, x, negative_slope * x)


def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def log_sigmoid(x):
    """The logarithm of the sigmoid, without overflow."""
    return -softplus(-x)


def softmax(x, axis):
    """Shares that are positive and sum to 1 along the axis."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis):
    """The logarithm of the softmax."""
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softsign(x):
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def elu(x, alpha):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def celu(x, alpha):
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def selu(x):
    """The elu that keeps mean 0 and variance 1 from layer to layer."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def silu(x):
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def mish(x):
    """x * tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


def gelu(x):
    """x times the probability that a standard normal variable is below x."""
    erfc = np.vectorize(math.erfc, otypes=[np.float64])
    return (x * 0.5 * erfc(x * -np.sqrt(0.5))).astype(x.dtype)


def gelu_tanh(x):
    """The gelu by its approximation with tanh."""
    return 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


def squareplus(x, b):
    """(x + sqrt(x² + b)) / 2."""
    return (x + np.sqrt(x * x + b)) / 2


def hard_sigmoid(x):
    """x / 6 + 1 / 2, held between 0 and 1."""
    return np.clip(x / 6 + 0.5, 0, 1)


def hard_silu(x):
    """x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_shrink(x, threshold):
    """x where it is farther from 0 than the threshold, 0 elsewhere."""
    return np.where(np.abs(x) <= threshold, 0.0, x)


def soft_shrink(x, threshold):
    """x, moved towards 0 by the threshold and no farther."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def step_at(x, threshold, default_value):
    """x above the threshold, the default value elsewhere."""
    return np.where(x <= threshold, default_value, x)


def sparse_plus(x):
    """0 up to -1, x from 1 on, (x + 1)² / 4 between."""
    return np.where(x >= 1, x, np.square(np.maximum(x, -1) + 1) / 4)


def sparsemax(x, axis):
    """The nearest point to x whose values are not negative and sum to 1 along the axis."""
    x = np.moveaxis(x, axis, -1)
    falling = -np.sort(-x, axis=-1)
    counts = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    excess = np.cumsum(falling, axis=-1) - 1
    support = (counts * falling > excess).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(excess, support - 1, axis=-1) / support.astype(x.dtype)
    return np.moveaxis(np.maximum(x - tau, 0), -1, axis)


def glu(x, axis):
    """The first half of the axis times the sigmoid of the second."""
    values, gates = np.split(x, 2, axis=axis)
    return values * sigmoid(gates)


def standardize(x, axes, epsilon):
    """Each row less its mean, over its standard deviation."""
    x = x - x.mean(axis=axes, keepdims=True)
    return x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon)


def rms_normalize(x, axes, epsilon):
    """Each row over the root of its mean square."""
    return x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon)


def l2_normalize(x, axes, epsilon):
    """Each row over its length."""
    return x / np.sqrt(np.maximum(np.square(x).sum(axis=axes, keepdims=True), epsilon))
'''

HELPERS: dict[str, str] = {
    m[1]: m[0].strip() for m in re.finditer(r"^def (\w+)\(.*?(?=\n\n\n|\Z)", _TEXTS, re.M | re.S)
}
"""The source of each function by its name."""


def with_needed(names: Iterable[str]) -> list[str]:
    """Names of the helpers and of those they call, in the order of ``HELPERS``.

    >>> with_needed({"log_sigmoid"})
    ['log_sigmoid', 'softplus']
    """
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [other for other in HELPERS if other != name and re.search(rf"\b{other}\(", HELPERS[name])]
    return [name for name in HELPERS if name in found]
