"""Every layer of the grid against live Keras 3: the same settings, the same telling weights, the same rows."""

import functools

import numpy as np
import pytest

from tests.layers.cases import ALL, FAMILIES
from tests.support.keras_pairs import (
    Case,
    assert_as_close_as_keras,
    foldnet_model,
    keras_answers,
    run_reference,
)


@functools.cache
def answers(family):
    return keras_answers(FAMILIES[family])


@pytest.fixture
def answer(family, case):
    return answers(family)[str(case)]


grid = pytest.mark.parametrize(("family", "case"), ALL, ids=[str(case) for _, case in ALL])


@grid
def test_predicts_as_keras_does(case, answer, engine):
    ours = foldnet_model(case, answer.config)
    ours.set_weights(answer.weights)
    (result,) = engine(ours, answer.rows, "float32")
    assert ours.outputs[0].shape[1:] == answer.keras.shape[1:]
    assert_as_close_as_keras(result, answer.keras, answer.truth)


@grid
def test_weights_are_keras_s_in_name_shape_and_order(case, answer):
    ours = foldnet_model(case)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in answer.weights]


# Rescaling's numbers are float32 in a float32 network, as in Keras, so its float64 is another.
IN_FLOAT64 = [(family, case) for family, case in ALL if case.class_name != "Rescaling"][::3]


@pytest.mark.parametrize(("family", "case"), IN_FLOAT64, ids=[str(case) for _, case in IN_FLOAT64])
def test_float64_is_the_truth(case, answer):
    ours = foldnet_model(case, answer.config)
    ours.set_weights(answer.weights)
    (result,) = run_reference(ours, answer.rows, "float64")
    np.testing.assert_allclose(result, answer.truth, rtol=1e-9, atol=1e-9 * np.abs(answer.truth).max())


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_layer_normalization_by_rms_scaling(axis, engine):
    case = Case("LayerNormalization", {"axis": axis, "rms_scaling": True}, ((4, 6),))
    (answer,) = keras_answers([case]).values()
    ours = foldnet_model(case, answer.config)
    ours.set_weights(answer.weights)
    assert_as_close_as_keras(engine(ours, answer.rows, "float32")[0], answer.keras, answer.truth)
