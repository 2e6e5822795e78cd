"""Searches at the ends of what there is: the largest numbers, infinities, NaN."""

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError
from foldnet.graph.graph import GraphBuilder, bind
from foldnet.graph.op import INT
from foldnet.operations.search.op import LIMITS, Digitize, Hash, Lookup, digits_hash
from tests.native.networks import graph_of

LOW, HIGH = LIMITS


def results(graph, x):
    """Of both engines."""
    yield NativeProgram(bind(graph, [(None, *x.shape[1:])])).run([x])[0]
    yield ReferenceProgram(graph, "float32").run([x])[0]


@pytest.mark.parametrize("others", [1, 3, 7])
def test_the_largest_whole_numbers(others):
    keys, values = (LOW, LOW + 1, -1, HIGH), (1, LOW, HIGH, 2)
    graph = graph_of(Lookup(keys, values, 5, others), (6,), dtypes=[INT])
    x = np.int32([[LOW, LOW + 1, LOW + 2, HIGH, HIGH - 1, 0], [-1, -2, -3, -8, 1, 2]])
    table = dict(zip(keys, values, strict=True))
    expected = np.int32(
        [[table.get(n, 5 + (n % others if others > 1 else 0)) for n in row] for row in x.tolist()]
    )
    for result in results(graph, x):
        np.testing.assert_array_equal(result, expected)


def test_intervals_of_what_is_no_usual_number():
    edges = np.array([-1.0, 0.1, np.inf])
    graph = graph_of(Digitize(), (7,), weights=(edges,))
    x = np.float32([[np.nan, np.inf, -np.inf, 0.1, np.nextafter(np.float32(0.1), np.float32(0)), -1, -0.0]])
    for result in results(graph, x):
        np.testing.assert_array_equal(result, [[3, 3, 0, 2, 1, 1, 1]])


@pytest.mark.parametrize("settings", [((2, 1), (0, 0), 0), ((1, 1), (0, 0), 0), ((1,), (0, 1), 0), ((), (), 0),
                                      ((1,), (2**31,), 0), ((1,), (0,), 0, -1), ((1,), (0,), HIGH, 1)])  # fmt: skip
def test_tables_that_are_none(settings):
    b = GraphBuilder()
    with pytest.raises(ConfigError, match="Lookup"):
        b.emit(Lookup(*settings), b.input("x", (None, 2), INT))


def test_axes_of_any_length():
    edges = np.array([-1.0, 0.1])
    for count in (1, 4):
        x = np.linspace(-2, 2, 2 * count, dtype=np.float32).reshape(2, count)
        for result in results(graph_of(Digitize(), (None,), weights=(edges,)), x):
            np.testing.assert_array_equal(result, np.digitize(x, edges))
        for result in results(graph_of(Hash(5), (None,), dtypes=[INT]), x.astype(np.int32)):
            np.testing.assert_array_equal(
                result, np.vectorize(lambda n: digits_hash(n) % 5)(x.astype(np.int32))
            )


def test_hashes_of_all_lengths():
    x = np.int32([[sign * (10**k + 3 * k) for k in range(10) for sign in (1, -1)] + [LOW, HIGH, 0]])
    for result in results(graph_of(Hash(1009), (23,), dtypes=[INT]), x):
        np.testing.assert_array_equal(result, [[digits_hash(n) % 1009 for n in x[0].tolist()]])
