"""Source of the functions of an exported NumPy file that give axes another length."""

RESIZING = '''


def bilinear(distance):
    """A triangle."""
    return np.maximum(0, 1 - distance)


def bicubic(distance):
    """The cubic of Keys with a = -0.5."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def lanczos3(distance):
    """A sinc in a window of another one, three times as wide."""
    inside = np.where(distance <= 1e-3, 1, np.sinc(distance) * np.sinc(distance / 3))
    return np.where(distance > 3, 0, inside)


def lanczos5(distance):
    """A sinc in a window of another one, five times as wide."""
    inside = np.where(distance <= 1e-3, 1, np.sinc(distance) * np.sinc(distance / 5))
    return np.where(distance > 5, 0, inside)


def resize(x, axis, count, kernel, antialias=False):
    """x with so many positions along an axis: means of old ones, weighted by a function of their distance."""
    n = x.shape[axis]
    at = (np.arange(count) + 0.5) * n / count - 0.5
    distance = np.abs(at[:, np.newaxis] - np.arange(n))
    weights = kernel(distance / max(n / count, 1) if antialias else distance)
    weights[np.abs(weights) < 1e-12] = 0  # what is not 0 only because of rounding
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(x.dtype)
    parts = [np.tensordot(x.take(np.flatnonzero(row), axis), row[row != 0], (axis, 0)) for row in weights]
    return np.stack(parts, axis)


def pool_to(x, axis, count, function):
    """A function of each of so many windows along an axis, from floor(i n / count) up to ceil((i + 1) n / count)."""
    n = x.shape[axis]
    windows = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
    return np.stack([function(x.take(range(*window), axis), axis=axis) for window in windows], axis)


def cut_to_shape(x, axes, target, fitting=False):
    """The largest part around the middle in the shape of the target; the target itself if fitting and it fits."""
    (a, b), (height, width) = axes, target
    rows, columns = x.shape[a], x.shape[b]
    sizes = [max(min(rows, columns * height // width), 1), max(min(columns, rows * width // height), 1)]
    if fitting and rows >= height and columns >= width:
        sizes = target
    for axis, size in zip(axes, sizes):
        first = (x.shape[axis] - size) // 2
        x = x.take(range(first, first + size), axis)
    return x


def pad_to_shape(x, axes, target, value=0.0):
    """As much of a value around both axes as gives x the shape of the target."""
    (a, b), (height, width) = axes, target
    rows, columns = x.shape[a], x.shape[b]
    widths = [(0, 0)] * x.ndim
    widths[a] = (max(columns * height // width - rows, 0) // 2,) * 2
    widths[b] = (max(rows * width // height - columns, 0) // 2,) * 2
    return np.pad(x, widths, constant_values=value)
'''
