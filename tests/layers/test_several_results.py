"""Layers whose calls have several results and several arguments that are tensors."""

from __future__ import annotations

import numpy as np
import pytest

from foldnet import Model, freeze
from foldnet.errors import InputError
from foldnet.layers import Dense, Input
from foldnet.layers.base import Layer
from foldnet.layers.masking import Masking, not_zero
from foldnet.operations.elementwise.op import Binary
from foldnet.structure import flatten


class Both(Layer):
    """The sum and the difference of its two arguments; positions where ``where`` is 0 are 0."""

    tensor_arguments = ("left", "right", "where")
    mask_arguments = frozenset({"where"})

    def other_output_shapes(self, call):
        return [call.data[0].shape]

    def lower_all(self, b, *inputs):
        left, right, *where = inputs
        results = [b.emit(Binary(kind=k), b.float(left), b.float(right)) for k in ("add", "subtract")]
        if where:
            mask = not_zero(b, self, b.float(where[0]))
            results = [b.emit(Binary(kind="multiply"), r, mask) for r in results]
        return results


A, B = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.full((2, 3), 2.0, np.float32)
WHERE = np.array([[1, 0, 1], [0, 1, 1]], np.float32)


def build(call):
    inputs = [Input((3,), name=name) for name in ("a", "b", "m")]
    return Model(inputs, flatten(call(Both(name="both"), *inputs)))


CALLS = {
    "by place": lambda layer, a, b, m: layer(a, b, m),
    "by name": lambda layer, a, b, m: layer(left=a, where=m, right=b),
    "mixed": lambda layer, a, b, m: layer(a, where=m, right=b),
}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("how", CALLS)
def test_results(how, engine):
    total, difference = freeze(build(CALLS[how]), engine=engine)([A, B, WHERE])
    np.testing.assert_array_equal(total, (A + B) * WHERE)
    np.testing.assert_array_equal(difference, (A - B) * WHERE)


def test_on_arrays():
    total, difference = Both()(A, B, where=WHERE)
    np.testing.assert_array_equal(total, (A + B) * WHERE)
    np.testing.assert_array_equal(difference, (A - B) * WHERE)


def test_a_result_feeds_other_layers():
    a, b = Input((3,)), Input((3,))
    both = Both(name="both")
    _, difference = both(a, right=b)
    model = Model([a, b], Dense(2, name="after")(difference))
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(freeze(model)([A, B]), (A - B) @ kernel + bias, rtol=1e-5)
    inner = Model([a, b], both(a, b))  # called again, inside another network
    c, d = Input((3,)), Input((3,))
    again = Model([c, d], inner([c, d]))
    np.testing.assert_array_equal(freeze(again)([A, B])[1], A - B)
    assert list(again.compute_output_shape([(None, 3), (None, 3)])) == [(None, 3), (None, 3)]


def test_a_mask_goes_along_with_the_first_input():
    x = Input((4, 3))
    masked = Masking(name="masking")(x)
    layer = Both(name="both")
    total, _ = layer(masked, masked)
    assert freeze(Model(x, total))(np.ones((1, 4, 3), np.float32)).shape == (1, 4, 3)


def test_arguments_that_do_not_fit():
    a = Input((3,))
    with pytest.raises(InputError, match=r"'both'.*without left"):
        Both(name="both")(right=a)
    with pytest.raises(InputError, match="'both' was given right twice"):
        Both(name="both")(a, a, right=a)
    with pytest.raises(InputError, match=r"'both'.*4 arguments by place"):
        Both(name="both")(a, a, a, a)
