"""The cases of the operations with free axes, whose lengths are known only when compiled code runs."""

from dataclasses import replace

import numpy as np

from foldnet.codegen.size_names import lengths_of
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import ConfigError
from foldnet.graph.free_axes import with_lengths
from foldnet.graph.graph import Type, bind
from foldnet.graph.sizes import long_lengths
from foldnet.operations.cases import Rows
from tests.operations.op_cases import PREDICTING, SMALL, joined

MOST = 6
"""Free axes of their own lengths in a case."""


def opened(graph, axes):
    """The graph with these axes of its inputs free."""
    types = dict(graph.types)
    for number, axis in axes:
        name = graph.inputs[number]
        shape = list(types[name].shape)
        shape[axis] = None
        types[name] = Type(tuple(shape), types[name].dtype)
    return replace(graph, types=types)


def usable(graph, axes, same):
    try:
        return with_lengths(opened(graph, axes), long_lengths(max(same) + 1)[0], same)
    except ConfigError:
        return None


def free_of(label):
    """As many axes of a case's inputs as can be free together, and which of them have one length."""
    graph = PREDICTING[label].graph(fixed=True)
    sizes = {
        (k, a): n for k, name in enumerate(graph.inputs) for a, n in enumerate(graph.types[name].shape) if a
    }
    found: dict[tuple[int, int], int] = {}
    groups = [[axis] for axis in sizes]
    groups += [[axis for axis in sizes if sizes[axis] == n] for n in dict.fromkeys(sizes.values())]
    for group in groups:
        if found.keys() & set(group) or max(found.values(), default=-1) + 1 == MOST:
            continue
        more = found | dict.fromkeys(group, max(found.values(), default=-1) + 1)
        axes = sorted(more)
        if usable(graph, axes, [more[axis] for axis in axes]) is not None:
            found = more
    axes = sorted(found)
    return axes, [found[axis] for axis in axes]


FREE = {label: free_of(label) for label in SMALL}


def changed(label, change):
    """The shapes of a case's inputs with free axes of other lengths; None if the operation cannot take them."""
    graph, (axes, _) = PREDICTING[label].graph(fixed=True), FREE[label]
    shapes = [list(graph.types[name].shape) for name in graph.inputs]
    for number, axis in axes:
        shapes[number][axis] = change(shapes[number][axis])
    try:
        bind(graph, [tuple(shape) for shape in shapes])
    except ConfigError:
        return None
    return shapes


def data_for(label, shapes, rows, seed):
    rng = np.random.default_rng(seed)
    operands = [o for o in PREDICTING[label].operands if isinstance(o, Rows)]
    return [replace(o, shape=tuple(s[1:])).draw(rng, rows) for o, s in zip(operands, shapes, strict=True)]


CHANGES = {"same": lambda n: n, "one": lambda n: 1, "longer": lambda n: n + 1, "long": lambda n: n + 37}


def fits(label, shapes):
    """Whether the code of one operation is for these shapes of its inputs."""
    axes, same = FREE[label]
    graph = usable(PREDICTING[label].graph(fixed=True), axes, same)
    emit(graph)  # adds its conditions
    lengths = dict(zip(same, (shapes[number][axis] for number, axis in axes), strict=True))
    return lengths_of(graph).fit([lengths[k] for k in range(len(lengths))])


def together(labels):
    """The graph of these cases side by side, with lengths; and the number of the length of each free axis."""
    graphs = [opened(PREDICTING[label].graph(fixed=True), FREE[label][0]) for label in labels]
    numbers = []
    for label in labels:
        base = max(numbers, default=-1) + 1
        numbers += [base + k for k in FREE[label][1]]
    assumed = [1_000_003 + 2 * k for k in range(max(numbers) + 1)]
    return with_lengths(joined(graphs), assumed, numbers), numbers


def at_lengths(labels, change, rows):
    """These cases with changed lengths where they can take them.

    The graph with lengths, the graph for those that were chosen, these, and data.
    """
    graph, numbers = together(labels)
    chosen = {}
    for label in labels:
        shapes = changed(label, change)
        good = shapes is not None and fits(label, shapes)
        chosen[label] = shapes if good else changed(label, CHANGES["same"])
    of_axes = [chosen[label][number][axis] for label in labels for number, axis in FREE[label][0]]
    values = dict(zip(numbers, of_axes, strict=True))
    data = [array for label in labels for array in data_for(label, chosen[label], rows, 0)]
    fixed = [
        bind(PREDICTING[label].graph(fixed=True), [tuple(shape) for shape in chosen[label]])
        for label in labels
    ]
    return graph, joined(fixed), [values[k] for k in range(len(values))], data
