"""Source of the small functions that an exported NumPy file defines if it needs them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import getsource

from foldnet import farmhash
from foldnet.export.numpy_resizing import RESIZING

AS_ROWS = '''
def as_rows(x, shape, name, dtype=np.float32):
    """The data with its axis of rows first; None in the shape is any size."""
    rows = np.asarray(x, dtype=dtype)
    if rows.ndim == len(shape):
        rows = rows[np.newaxis]  # one row alone
    fits = rows.ndim == len(shape) + 1
    if not fits or any(n not in (None, m) for n, m in zip(shape, rows.shape[1:])):
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {np.shape(x)}, expected (rows, {expected})")
    return rows
'''.strip()
"""Every file calls it first on each input."""

_TEXTS = '''
def relu(x, negative_slope=0, max_value=np.inf, threshold=0):
    """x above the threshold, at most max_value; below it, a line of that slope."""
    y = np.where(x > threshold, x, 0.0) if threshold else np.maximum(x, 0)
    y = np.minimum(y, max_value)
    return y - negative_slope * np.maximum(threshold - x, 0) if negative_slope else y


def leaky_relu(x, negative_slope):
    """x where positive, a line of that slope elsewhere."""
    return np.where(x >= 0, x, negative_slope * x)


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
    """max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)."""
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


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
    return (0.5 * x * erfc(-math.sqrt(0.5) * x.astype(np.float64))).astype(x.dtype)


def gelu_tanh(x):
    """The gelu by its approximation with tanh."""
    return x * (0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def squareplus(x, b):
    """(x + sqrt(x² + b)) / 2."""
    return 0.5 * x + 0.5 * np.hypot(x, math.sqrt(b))


def hard_sigmoid(x):
    """(x + 3) / 6, held between 0 and 1."""
    return np.clip(x + 3, 0, 6) / 6


def hard_sigmoid_keras2(x):
    """0.2 * x + 0.5, held between 0 and 1."""
    return np.clip(0.2 * x + 0.5, 0, 1)


def sparse_sigmoid(x):
    """(x + 1) / 2, held between 0 and 1."""
    return np.clip(x + 1, 0, 2) / 2


def hard_silu(x):
    """x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_shrink(x, threshold):
    """x where it is farther from 0 than the threshold, 0 elsewhere."""
    return np.where(np.abs(x) > threshold, x, 0.0)


def soft_shrink(x, threshold):
    """x moved towards 0 by the threshold, and 0 within it."""
    return np.where(np.abs(x) > threshold, x - np.copysign(threshold, x), 0.0)


def tanh_shrink(x):
    """x - tanh(x)."""
    return x - np.tanh(x)


def above_threshold(x, threshold, default_value):
    """x above the threshold, the default value elsewhere."""
    return np.where(x > threshold, x, default_value)


def thresholded_relu(x, theta):
    """x above theta, 0 elsewhere."""
    return x * (x > theta)


def sparse_plus(x):
    """0 up to -1, x from 1 on, (x + 1)² / 4 between."""
    return np.where(x >= 1, x, np.square(np.maximum(x, -1) + 1) / 4)


def sparsemax(x, axis):
    """Keras's sparsemax: max(x - tau, 0), with tau from the running sums of the sorted values."""
    x = np.moveaxis(x, axis, -1)
    falling = -np.sort(-x, axis=-1)
    sums = np.cumsum(falling, axis=-1)
    places = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = falling - (sums - 1) / places > 0
    count = support.sum(axis=-1, keepdims=True).astype(x.dtype)
    tau = (np.where(support, sums, 0.0).sum(axis=-1, keepdims=True) - 1) / count
    return np.moveaxis(np.maximum(x - tau, 0), -1, axis)


def glu(x, axis):
    """The first half of the axis times the sigmoid of the second."""
    values, gates = np.split(x, 2, axis=axis)
    return values * sigmoid(gates)


def standardize(x, axes, epsilon):
    """Each row less its mean, over its standard deviation."""
    x = x - x.mean(axis=axes, keepdims=True)
    return x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon)


def standardize_groups(x, axis, groups, epsilon):
    """Each group of neighbouring channels in each row less its mean, over its standard deviation."""
    channels_first = np.moveaxis(x, axis, 1)
    size = math.prod(x.shape[1:]) // groups
    grouped = standardize(channels_first.reshape(len(x), groups, size), 2, epsilon)
    return np.moveaxis(grouped.reshape(channels_first.shape), 1, axis)


def over_deviation(x, axes, epsilon):
    """Each row over its standard deviation."""
    return x / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


def rms_normalize(x, axes, epsilon):
    """Each row over the root of its mean square."""
    return x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon)


def l2_normalize(x, axes, epsilon):
    """Each row over its length."""
    return x / np.sqrt(np.maximum(np.square(x).sum(axis=axes, keepdims=True), epsilon))


def pad_same(x, axes, covers, strides, value=0.0):
    """A value around axes, so that there is one window for each stride; the smaller half comes first."""
    widths = [(0, 0)] * x.ndim
    for axis, cover, stride in zip(axes, covers, strides):
        over = max((-(-x.shape[axis] // stride) - 1) * stride + cover - x.shape[axis], 0)
        widths[axis] = (over // 2, over - over // 2)
    return np.pad(x, widths, constant_values=value)


def convolve(x, kernel, strides, dilations, groups=1):
    """Products of the kernel (window..., channels, units) with windows of x (rows, space..., channels), summed."""
    axes = tuple(range(1, x.ndim - 1))
    covers = [(n - 1) * d + 1 for n, d in zip(kernel.shape, dilations)]
    seen = np.lib.stride_tricks.sliding_window_view(x, covers, axes)  # rows, space..., channels, window...
    steps = [slice(None, None, n) for n in (1, *strides, 1, *dilations)]
    parts = np.split(seen[tuple(steps)], groups, axis=len(axes) + 1)
    summed = [range(len(axes) + 1, seen.ndim), [len(axes), *range(len(axes))]]
    pairs = zip(parts, np.split(kernel, groups, axis=-1))
    return np.concatenate([np.tensordot(part, own, summed) for part, own in pairs], axis=-1)


def convolve_transpose(x, kernel, strides, dilations):
    """Each position times the kernel (window..., units, channels), added up where the windows lie."""
    sizes = zip(x.shape[1:], kernel.shape, strides, dilations)
    space = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in sizes]
    y = np.zeros((len(x), *space, kernel.shape[-2]), x.dtype)
    for place in np.ndindex(*kernel.shape[:-2]):
        steps = zip(place, dilations, strides, x.shape[1:])
        to = (slice(None), *(slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, s, n in steps))
        y[to] += x @ kernel[place].T
    return y


def simple_rnn_step(z, h, kernel, activation):
    """The state after a step, given the input times its kernel, plus the bias."""
    return [activation(z + h @ kernel)]


def lstm_step(z, h, c, kernel, activation, gate):
    """Output and carried state after a step; gates come in the order input, forget, candidate, output."""
    i, f, candidate, o = np.split(z + h @ kernel, 4, axis=-1)
    c = gate(f) * c + gate(i) * activation(candidate)
    return [gate(o) * activation(c), c]


def gru_step(z, h, gates, kernel, activation, gate):
    """The state after a step; the reset gate comes before the product with the kernel."""
    update, reset, candidate = np.split(z, 3, axis=-1)
    own_update, own_reset = np.split(h @ gates, 2, axis=-1)
    update, reset = gate(update + own_update), gate(reset + own_reset)
    return [update * h + (1 - update) * activation(candidate + (reset * h) @ kernel)]


def gru_step_reset_after(z, h, kernel, bias, activation, gate):
    """The state after a step; the reset gate comes after the product with the kernel."""
    update, reset, candidate = np.split(z, 3, axis=-1)
    own_update, own_reset, own = np.split(h @ kernel + bias, 3, axis=-1)
    update, reset = gate(update + own_update), gate(reset + own_reset)
    return [update * h + (1 - update) * activation(candidate + reset * own)]


def zeros_of(z, units, count):
    """States at the start: zeros."""
    return [np.zeros((*z.shape[:-2], units), z.dtype)] * count


def recur(step, z, start, mask=None, reverse=False, sequences=False, states=False, zeros=False):
    """The outputs of all steps or of the last, then the states; a step that is masked keeps the states."""
    now, outputs = start, [start[0]]
    for t in range(z.shape[-2])[:: -1 if reverse else 1]:
        new = step(z[..., t, :], *now)
        counts = True if mask is None else mask[..., t, None] != 0
        now = [np.where(counts, a, b) for a, b in zip(new, now)]
        outputs.append(np.where(counts, new[0], 0) if zeros else now[0])
    outputs = outputs[1:] if sequences else outputs[-1:]
    return np.stack([*outputs, *(now if states else [])], axis=-2)


def look_up(table, indices):
    """The table's rows at the indices."""
    wrong = indices[(indices < 0) | (indices >= len(table))]
    if wrong.size:
        raise ValueError(f"index {wrong[0]} is outside the table's 0 to {len(table) - 1}")
    return table[indices]


def find(x, keys, values, first, others):
    """The value of each key that x is; first + x mod others for the rest."""
    keys, values = np.array(keys, np.int32), np.array(values, np.int32)
    at = np.minimum(np.searchsorted(keys, x), len(keys) - 1)
    found = keys[at] == x
    if others == 0 and not found.all():
        raise ValueError(f"{x[~found][0]} is not in the table of {len(keys)} numbers")
    return np.where(found, values[at], first + x % max(others, 1)).astype(np.int32)


def hash_bins(x, bins, masked):
    """FarmHash's fingerprint of the digits of each number, modulo bins; 0 for the masked one, and then 1 more."""
    numbers, places = np.unique(x, return_inverse=True)
    found = np.array([fingerprint(str(n).encode()) % bins for n in numbers.tolist()], np.int32)
    if masked is not None:
        found = np.where(numbers == masked, 0, found + 1).astype(np.int32)
    return found[places].reshape(x.shape)


def text_codes(x, name, known, bins):
    """The place of each text among the known ones; of others their hash modulo bins, minus bins."""
    codes = {text: code for code, text in enumerate(known)}

    def code(text):
        text = text.decode() if isinstance(text, bytes) else text
        if not isinstance(text, str):
            raise ValueError(f"{name} takes texts, but got {text!r}")
        found = codes.get(text)
        return fingerprint(text.encode()) % bins - bins if found is None else found

    return np.array([code(text) for text in x.ravel().tolist()], np.int32).reshape(x.shape)


def as_indices(x):
    """The numbers without their fractions, as 32-bit integers."""
    if not ((x >= -(2**31)) & (x < 2**31)).all():
        raise ValueError("an index is NaN or does not fit 32 bits")
    return x.astype(np.int32)


def whole_numbers(x, name):
    """The numbers as 32-bit integers, if that is what they are."""
    if not ((x == np.trunc(x)) & (x >= -(2**31)) & (x < 2**31)).all():
        raise ValueError(f"{name} takes 32-bit whole numbers, but got other numbers")
    return x.astype(np.int32)
'''

HELPERS: dict[str, str] = {
    m[1]: m[0].strip() for m in re.finditer(r"^def (\w+)\(.*?(?=\n\n\n|\Z)", _TEXTS + RESIZING, re.M | re.S)
}
"""The source of each function by its name."""


def _without_head(source: str) -> str:
    """A module's code after its docstring and imports."""
    return source.partition("import annotations\n")[2].strip()


HELPERS["fingerprint"] = _without_head(getsource(farmhash))


def with_needed(names: Iterable[str]) -> list[str]:
    """Names of the helpers and of those they call, in the order of ``HELPERS``.

    >>> with_needed({"log_sigmoid"})
    ['log_sigmoid', 'softplus']
    """
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in HELPERS and name not in found:
            found.add(name)
            pending += re.findall(r"\b(\w+)\(", HELPERS[name].partition("\n")[2])
    return [name for name in HELPERS if name in found]
