"""``model.summary()``: Keras's table, with trainable and other weights of every layer."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from foldnet.errors import ConfigError
from foldnet.escaping import escaped_name
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call
from foldnet.network import Network

BYTES = 4
"""Size of a float32 weight."""


@dataclass(frozen=True)
class Row:
    """One layer in the table; ``depth`` is the number of networks that it is nested in."""

    name: str
    kind: str
    shape: str
    trainable: int
    fixed: int
    connected: str
    depth: int = 0
    trained: str = "-"


def summary_text(
    network: Network,
    line_length: int = 80,
    *,
    expand_nested: bool = True,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> str:
    """The table of a network's layers, its totals, and an explanation of BatchNormalization's weights.

    Args:
        network: if it is not built, the table is only a line that says so.
        line_length: the longest line; at least 40. Below 60, trainable weights are only counted at the end.
        expand_nested: whether the layers of nested networks have separate rows.
        show_trainable: whether a column says Y or N of each layer's ``trainable``, and - where there are no weights.
        layer_range: two regular expressions: from the first layer whose name matches the first, to the last layer
            whose name matches the second. The totals are still those of the whole network.

    Raises:
        ConfigError: a ``layer_range`` that is not two expressions, or that matches no layer.

    >>> from foldnet import Sequential, layers
    >>> print(summary_text(Sequential([layers.Input((4,)), layers.Dense(3)], name="m")).splitlines()[-3])
     Total params: 15 (60.00 B)
    """
    title = f'Model: "{escaped_name(network.name)}"'
    if not network.built:
        return f"{title}\n (not built yet: give its first layer an input_shape, or call build)"
    width = max(40, line_length)
    rows = list(_rows(network, _in_range(network.operations, layer_range), expand_nested))
    sequential = type(network).__name__ == "Sequential"
    trainable, fixed = counts(network)
    lines = [title, *_table(rows, width, connected=not sequential, trained=show_trainable)]
    lines += [
        f" {name} params: {count:,} ({readable_size(count * BYTES)})"
        for name, count in (("Total", trainable + fixed), ("Trainable", trainable), ("Non-trainable", fixed))
    ]
    note = _normalization_note(network)
    return "\n".join([*lines, *textwrap.wrap(note, width, initial_indent=" ", subsequent_indent=" ")])


def readable_size(size: int) -> str:
    """A number of bytes as Keras writes it.

    >>> readable_size(684), readable_size(5208000)
    ('684.00 B', '4.97 MB')
    """
    value, units = float(size), ["B", "KB", "MB", "GB", "TB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f} {units[0]}"


def counts(layer: Layer) -> tuple[int, int]:
    """The numbers of weight values that training changes and does not change.

    >>> from foldnet import Sequential, layers
    >>> counts(Sequential([layers.Input((10,)), layers.BatchNormalization()]))
    (20, 20)
    """
    trainable = sum(prod(w.shape) for w in layer.trainable_weights)
    return trainable, layer.count_params() - trainable


def _in_range(layers: Sequence[Layer], names: Sequence[str] | None) -> Sequence[Layer]:
    """The layers from the first that matches one expression to the last that matches another."""
    if names is None:
        return layers
    if len(names) != 2 or not all(isinstance(n, str) for n in names):
        raise ConfigError(f"layer_range takes the names of a first and a last layer, not {names!r}")
    first = [i for i, layer in enumerate(layers) if re.match(names[0], layer.name)]
    last = [i for i, layer in enumerate(layers) if re.match(names[1], layer.name)]
    if not first or not last:
        raise ConfigError(
            f"layer_range {names!r}: no layer has such a name; they are {[x.name for x in layers]}"
        )
    start, end = sorted((first[0], last[-1]))
    return layers[start : end + 1]


def _rows(network: Network, layers: Sequence[Layer], expand: bool, depth: int = 0) -> Iterator[Row]:
    for layer in layers:
        calls = _calls(network, layer)
        trainable, fixed = counts(layer)
        yield Row(
            escaped_name(layer.name),
            layer.record.keras_class if layer.is_operation else type(layer).__name__,
            _shapes(calls),
            trainable,
            fixed,
            ", ".join(_source(network, call, i) for call in calls for i in range(len(call.inputs))) or "-",
            depth,
            "-" if trainable + fixed == 0 else "Y" if layer.trainable else "N",
        )
        if expand and isinstance(layer, Network):
            yield from _rows(layer, layer.operations, expand, depth + 1)


def _calls(network: Network, layer: Layer) -> list[Call]:
    """The network's calls of a layer in the order in which they were made, as Keras numbers them."""
    return [c for c in layer.calls if c in network.graph_calls]


def _shapes(calls: Sequence[Call]) -> str:
    shapes = list(dict.fromkeys(str(t.shape) for c in calls[:1] for t in c.outputs))
    return ", ".join(shapes) or "?"


def _source(network: Network, call: Call, i: int) -> str:
    """The source of an operand, in Keras's form: layer[call][tensor]."""
    tensor = call.inputs[i]
    if tensor.call is None:
        return escaped_name(tensor.name)
    same = _calls(network, tensor.call.layer)
    index = same.index(tensor.call) if tensor.call in same else 0
    return f"{escaped_name(tensor.call.layer.name)}[{index}][{tensor.index}]"


# -- the table ----------------------------------------------------------------------------------------------


def _table(rows: Sequence[Row], width: int, connected: bool, trained: bool) -> list[str]:
    header = ["Layer (type)", "Output Shape", "Param #", "Trainable", "Not train."]
    cells = [
        [
            f"{'  ' * (r.depth - 1)}└ " * bool(r.depth) + f"{r.name} ({r.kind})",
            r.shape,
            f"{r.trainable + r.fixed:,}",
            f"{r.trainable:,}",
            f"{r.fixed:,}",
        ]
        for r in rows
    ]
    numbers: tuple[int, ...] = (2, 3, 4)
    if width < 60:
        header, cells, numbers = header[:3], [line[:3] for line in cells], (2,)
    if connected:
        header.append("Connected to")
        for line, row in zip(cells, rows, strict=True):
            line.append("-" if row.depth else row.connected)
    if trained:
        header.append("Y/N")
        for line, row in zip(cells, rows, strict=True):
            line.append(row.trained)
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    texts = [i for i in range(len(header)) if i not in numbers]
    room = width - 2 * (len(header) - 1) - sum(widths[i] for i in numbers)
    words = [max(len(w) for line in [header, *cells] for w in line[i].split()) for i in range(len(header))]
    for least in (words, [8] * len(header)):  # words are broken only if necessary
        while sum(widths[i] for i in texts) > room and any(widths[i] > least[i] for i in texts):
            widest = max((i for i in texts if widths[i] > least[i]), key=lambda i: widths[i])
            widths[widest] -= 1
    rule = "─" * (sum(widths) + 2 * (len(header) - 1))
    lines = ["━" * len(rule), *_wrapped(header, widths, numbers), "━" * len(rule)]
    for i, line in enumerate(cells):
        lines += ([rule] if i else []) + _wrapped(line, widths, numbers)
    return [*lines, "━" * len(rule)]


def _wrapped(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    """One row of the table, on as many lines as necessary."""
    folded = [_fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(f) for f in folded)
    lines = []
    for i in range(height):
        parts = [f[i] if i < len(f) else "" for f in folded]
        padded = (
            p.rjust(w) if j in right else p.ljust(w)
            for j, (p, w) in enumerate(zip(parts, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    return lines


def _fold(cell: str, width: int) -> list[str]:
    indent = " " * (len(cell) - len(cell.lstrip(" └")))
    return textwrap.wrap(cell, width, subsequent_indent=indent, drop_whitespace=True) or [""]


# -- the note -----------------------------------------------------------------------------------------------


def _normalizations(network: Network) -> Iterator[Layer]:
    for layer in network.layers:
        if isinstance(layer, Network):
            yield from _normalizations(layer)
        elif type(layer).__name__ == "BatchNormalization" and layer.specs:
            yield layer


def _normalization_note(network: Network) -> str:
    found = list(dict.fromkeys(_normalizations(network)))
    return normalization_note(found[0], len(found) - 1) if found else ""


def normalization_note(layer: Layer, others: int = 0) -> str:
    """Explain the number of weights of a BatchNormalization.

    Args:
        layer: a BatchNormalization that has been built.
        others: the number of further ones to which the same applies.
    """
    channels = prod(layer.specs[0].shape)
    trained = [s.name for s in layer.specs if s.trainable]
    kept = [s.name for s in layer.specs if not s.trainable]
    rest = f" ({others} more likewise)" if others else ""
    parts = [f"{escaped_name(layer.name)}{rest} has {len(layer.specs)} vectors of {channels:,}:"]
    if trained and layer.trainable:
        parts.append(f"{_and(trained)} {'is' if len(trained) == 1 else 'are'} trained;")
    elif trained:
        parts.append(f"{_and(trained)} would be trained, but the layer is frozen;")
    parts.append(
        f"{_and(kept)} are not: they follow the statistics of the batches seen in training, and prediction uses them."
    )
    fixed = counts(layer)[1]
    parts.append(
        f"So {len(layer.specs)} × {channels:,} = {len(layer.specs) * channels:,} parameters, {fixed:,} not trainable."
    )
    return " ".join(parts)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
