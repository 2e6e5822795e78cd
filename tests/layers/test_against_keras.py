"""Every layer of the grid against live Keras 3: the same settings, the same telling weights, the same rows."""

import functools

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.errors import CompileError
from foldnet.graph.graph import bind
from foldnet.lowering.lower import lower
from tests.layers.cases import ALL, FAMILIES
from tests.operations.op_cases import joined
from tests.support.keras_pairs import (
    Case,
    assert_as_close_as_keras,
    foldnet_model,
    keras_answers,
    run_native,
    run_reference,
)

ROWS = {"attention": 200, "convolution": 40}
"""Of families whose largest distances depend on luck among few rows: a softmax of large scores shows each rounding."""


@functools.cache
def answers(family):
    # Of the few numbers of a small convolution or attention, the worst may be off by next to nothing in Keras.
    return keras_answers(FAMILIES[family], ROWS.get(family, 3))


@pytest.fixture
def answer(family, case):
    return answers(family)[str(case)]


grid = pytest.mark.parametrize(("family", "case"), ALL, ids=[str(case) for _, case in ALL])


def network(case, answer):
    ours = foldnet_model(case, answer.config)
    ours.set_weights(answer.weights)
    return ours


TOGETHER = 12
"""Cases in one compiled program."""


@functools.cache
def compiled(family, number):
    """By case: what some cases of a family give, compiled as one program; nothing where that cannot be done."""
    cases = FAMILIES[family][number * TOGETHER : (number + 1) * TOGETHER]
    known = [answers(family)[str(case)] for case in cases]
    graphs = [
        bind(lower(network(case, answer)), [(None, *a.shape[1:]) for a in answer.rows])
        for case, answer in zip(cases, known, strict=True)
    ]
    try:
        program = NativeProgram(joined(graphs))
    except CompileError:
        return {}
    outputs = program.run([rows for answer in known for rows in answer.rows])
    return {str(case): output for case, output in zip(cases, outputs, strict=True)}


def by_native(family, case, answer):
    found = compiled(family, FAMILIES[family].index(case) // TOGETHER)
    # Where the program of several cannot be compiled, that of this case alone says whose fault it is.
    return found[str(case)] if found else run_native(network(case, answer), answer.rows, "float32")[0]


def by_reference(family, case, answer):
    return run_reference(network(case, answer), answer.rows, "float32")[0]


@grid
@pytest.mark.parametrize("run", [by_reference, by_native])
def test_predicts_as_keras_does(family, case, answer, run):
    result = run(family, case, answer)
    assert network(case, answer).outputs[0].shape[1:] == answer.keras.shape[1:]
    assert_as_close_as_keras(result, answer.keras, answer.truth)


@grid
def test_weights_are_keras_s_in_name_shape_and_order(case, answer):
    ours = foldnet_model(case)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in answer.weights]


def is_fused(case):
    heads = case.class_name in ("MultiHeadAttention", "GroupQueryAttention")
    return heads and not case.config.get("dropout") and len(case.shapes[0]) == 2


# Rescaling's numbers are float32 in a float32 network, as in Keras, so its float64 is another.
IN_FLOAT64 = [(family, case) for family, case in ALL if case.class_name != "Rescaling"][::3]
# Attention that Keras computes in one function has its softmax in float32 in any case.
IN_FLOAT64 = [(family, case) for family, case in IN_FLOAT64 if not is_fused(case)]


@pytest.mark.parametrize(("family", "case"), IN_FLOAT64, ids=[str(case) for _, case in IN_FLOAT64])
def test_float64_is_the_truth(case, answer):
    (result,) = run_reference(network(case, answer), answer.rows, "float64")
    np.testing.assert_allclose(result, answer.truth, rtol=1e-9, atol=1e-9 * np.abs(answer.truth).max())


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_layer_normalization_by_rms_scaling(axis, engine):
    case = Case("LayerNormalization", {"axis": axis, "rms_scaling": True}, ((4, 6),))
    (answer,) = keras_answers([case]).values()
    assert_as_close_as_keras(
        engine(network(case, answer), answer.rows, "float32")[0], answer.keras, answer.truth
    )
