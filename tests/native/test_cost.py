"""What a row costs, by which rows are divided among threads: every product counts, whatever op it is made of."""

import pytest

from foldnet import Input, Model, layers, ops
from foldnet.engines.native.prediction.source import cost
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.lowering.lower import lower
from foldnet.training.compiled import Target


def same_product(kind):
    """8 positions of 30 numbers by 30 x 40 weights or other values."""
    x = Input((8, 30))
    other = ops.reshape(layers.Dense(40, use_bias=False)(x), (-1, 8, 40))
    return Model(
        x,
        {
            "dense": lambda: layers.Dense(40)(x),
            "einsum layer": lambda: layers.EinsumDense("abc,cd->abd", (None, 40))(x),
            "matmul": lambda: ops.matmul(ops.transpose(x, (0, 2, 1)), other),
            "einsum": lambda: ops.einsum("bij,bik->bjk", x, other),
            "dot": lambda: layers.Dot(axes=1)([x, other]),
        }[kind](),
    )


@pytest.mark.parametrize("kind", ["dense", "einsum layer", "matmul", "einsum", "dot"])
def test_products_count_in_prediction_and_training(kind):
    products = 8 * 30 * 40
    model = same_product(kind)
    before = 0 if kind in ("dense", "einsum layer") else products  # of the Dense that makes the other operand
    graph = lower(model)
    found = cost(graph)
    assert products + before < found < products + before + 30_000
    model.compile("sgd", "mse")
    shape = model.output_shape
    program = model.trainer.compiled.program([Target(shape, False, shape[:-1])])[0]
    assert BatchWriter(program).work() == products + before
