"""Code for sizes that are known at the call: the bits of code for fixed sizes, for all operations and for networks."""

from dataclasses import replace

import numpy as np
import pytest

from foldnet.codegen.size_names import lengths_of
from foldnet.engines.native import NativeProgram, cache
from foldnet.engines.native.prediction.program import NativeCode
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import ConfigError
from foldnet.graph.free_axes import with_lengths
from foldnet.graph.graph import Type, bind
from foldnet.graph.sizes import LONG
from foldnet.operations.cases import Rows
from tests.operations.op_cases import PREDICTING, SMALL, joined, same_bits
from tests.support.compiling import unoptimized

TOGETHER = 24


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
        return with_lengths(opened(graph, axes), LONG[: max(same) + 1], same)
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
        if found.keys() & set(group) or max(found.values(), default=-1) + 1 == len(LONG):
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


def test_most_operations_can_have_free_axes():
    """So the tests below test something."""
    cannot = {type(PREDICTING[label].op).__name__ for label, (axes, _) in FREE.items() if not axes}
    can = {type(PREDICTING[label].op).__name__ for label, (axes, _) in FREE.items() if axes}
    assert cannot <= can, cannot - can
    assert sum(bool(axes) for axes, _ in FREE.values()) > 0.85 * len(FREE)


WITH_FREE = [label for label, (axes, _) in FREE.items() if axes]


@pytest.mark.parametrize("start", range(0, len(WITH_FREE), TOGETHER))
def test_operations_have_the_bits_of_fixed_sizes(start, monkeypatch):
    monkeypatch.setattr(cache, "load", unoptimized)
    for one_by_one in (True, False):
        labels = [
            label
            for label in WITH_FREE[start : start + TOGETHER]
            if PREDICTING[label].op.one_by_one is one_by_one
        ]
        if labels:
            _compare(labels)


def _compare(labels):
    labels = [label for label in labels if _fits(label, changed(label, CHANGES["same"]))]
    graphs = [PREDICTING[label].graph(fixed=True) for label in labels]
    together = joined([opened(g, FREE[label][0]) for g, label in zip(graphs, labels, strict=True)])
    numbers = []
    for label in labels:
        base = max(numbers, default=-1) + 1
        numbers += [base + k for k in FREE[label][1]]
    code = NativeCode(with_lengths(together, [LONG[0] + 2 * k for k in range(max(numbers) + 1)], numbers))
    served = 0
    for change in [change for name, change in CHANGES.items() if name != "same"]:
        chosen = {}
        for label in labels:
            shapes = changed(label, change)
            good = shapes is not None and _fits(label, shapes)
            chosen[label] = shapes if good else changed(label, CHANGES["same"])
            served += good
        lengths = [chosen[label][number][axis] for label in labels for number, axis in FREE[label][0]]
        values = dict(zip(numbers, lengths, strict=True))
        program = NativeProgram.at_lengths(code, [values[k] for k in range(len(values))])
        assert program is not None, labels
        data = [array for label in labels for array in data_for(label, chosen[label], 3, 0)]
        fixed = [bind(g, [tuple(s) for s in chosen[label]]) for g, label in zip(graphs, labels, strict=True)]
        for label, a, b in zip(
            labels, NativeProgram(joined(fixed)).run(data), program.run(data), strict=True
        ):
            assert same_bits(a, b), (label, chosen[label])
    assert served > 2 * len(labels)


def _fits(label, shapes):
    """Whether the code of one operation is for these lengths."""
    axes, same = FREE[label]
    graph = usable(PREDICTING[label].graph(fixed=True), axes, same)
    emit(graph)  # adds its conditions
    lengths = dict(zip(same, (shapes[number][axis] for number, axis in axes), strict=True))
    return lengths_of(graph).fit([lengths[k] for k in range(len(lengths))])
