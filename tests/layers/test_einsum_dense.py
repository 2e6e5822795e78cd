"""EinsumDense: every form of equation, predicted and trained as Keras does, on both engines."""

from functools import partial

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, engines, layers
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.lowering.lower import lower
from foldnet.training import trainer
from tests.support.keras_pairs import run_native, run_reference

EQUATIONS = [
    ("ab,bc->ac", "c", (9,), 5),
    ("abc,cde->abde", None, (1, 2), (1, 3, 4)),
    ("abc,cde->abde", "e", (3, 2), (3, 3, 4)),
    ("abc,cde->abde", "d", (3, 2), (None, 3, 4)),
    ("abc,cde->abde", "be", (7, 2), (7, 3, 4)),
    ("BFNH,NHD->BFD", "D", (1, 2, 3), (1, 4)),
    ("i,d->id", None, (), (2,)),
    ("ibd,nd->ibn", "n", (2, 5), (2, 3)),
    ("...bc,bc->...b", "b", (8, 6), (8,)),
    ("...c,cde->...de", "de", (4, 2), (3, 4)),
    ("bc...,cd->bd...", None, (3, 2, 3), (4,)),
    ("bc...,cde->bde...", "d", (3, 2), (3, 4)),
    ("abc,dbe->ade", "e", (3, 2), (4, 5)),  # b and c are summed over, c of the input alone
    ("abc,dcb->ad", "d", (3, 2), (4,)),
    ("abc,cdb->ad", None, (3, 2), (4,)),  # the new axis between those summed over
    ("abc,dbc->adc", "c", (3, 5), (2, 5)),  # an axis that stays
]


def network(k, m, equations=EQUATIONS):
    """One network of all of them side by side: one compilation for all."""
    inputs = [k.Input(shape) for _, _, shape, _ in equations]
    outputs = [
        k.EinsumDense(equation, output_shape, activation="tanh", bias_axes=bias_axes)(x)
        for x, (equation, bias_axes, _, output_shape) in zip(inputs, equations, strict=True)
    ]
    return m(inputs, outputs)


def test_predictions_and_steps_are_keras_s(monkeypatch):
    rng = np.random.default_rng(0)
    theirs = network(keras.layers, keras.Model)
    theirs.set_weights([rng.normal(0, 0.7, w.shape) for w in theirs.weights])
    start = theirs.get_weights()
    rows = [rng.normal(size=(9, *shape)).astype(np.float32) for _, _, shape, _ in EQUATIONS]
    expected = [np.asarray(y) for y in theirs(rows)]
    wanted = [rng.normal(size=y.shape).astype(np.float32) for y in expected]

    def made():
        ours = network(layers, Model)
        ours.set_weights(start)
        return ours

    for run in (run_reference, run_native):
        found = run(made(), rows, "float32")
        for y, right, (equation, *_) in zip(found, expected, EQUATIONS, strict=True):
            np.testing.assert_allclose(y, right, atol=2e-5 * np.abs(right).max(), err_msg=equation)

    def steps(model, lib):
        model.compile(lib.optimizers.SGD(0.1), "mse")
        model.fit(rows, wanted, batch_size=4, epochs=1, shuffle=False, verbose=0)
        return model.get_weights()

    after = steps(theirs, keras)
    for engine in ("reference", "native"):
        monkeypatch.setattr(
            trainer, "training_engine", partial(engines.training.training_engine, engine=engine)
        )
        for a, b in zip(steps(made(), foldnet), after, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=engine)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_go_both_ways(suffix, tmp_path):
    x = np.random.default_rng(1).normal(size=(5, 3, 2)).astype(np.float32)
    theirs = network(keras.layers, keras.Model, [("abc,cde->abde", "e", (3, 2), (None, 3, 4))])
    theirs.layers[-1].bias.assign(np.arange(4.0))
    theirs.save(tmp_path / f"theirs{suffix}")
    ours = foldnet.load_model(tmp_path / f"theirs{suffix}")
    ours.save(tmp_path / f"ours{suffix}")
    back = keras.saving.load_model(tmp_path / f"ours{suffix}")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=2e-5)
    np.testing.assert_allclose(back.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-6)


def test_its_first_values_are_spread_as_keras_s():
    """The axes summed over are those of inputs: 20 of them to 2 units, not the 8 x 5 of a convolution."""
    layer = layers.EinsumDense("abc,bcd->ad", 2)
    layer.build((None, 40, 50))
    theirs = keras.layers.EinsumDense("abc,bcd->ad", 2)
    theirs.build((None, 40, 50))
    spread = np.abs(np.asarray(theirs.kernel)).max()
    assert np.abs(layer.kernel).max() == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes", "words"),
    [
        ("ab->ab", 3, None, "forms"),
        ("...ab,bc->ac", 3, None, "forms"),
        ("aa,ab->ab", 3, None, "twice"),
        ("abcd,bc->ad", 3, None, "at least 4 axes"),
        ("abc,cd->abe", (3, 4), None, "'e' of the result"),
        ("abc,cde->abd", (3, 4), None, "'e' of the kernel"),
        ("abc,cd->abd", 4, None, "give a size for each"),
        ("abc,cd->abd", (7, 4), None, "the input has 3"),
        ("abc,cd->abd", (3, None), None, "kernel's sizes"),
        ("abc,cd->abd", (3, 4), "e", "bias_axes"),
        ("abc,cd->abd", (3, -4), None, "whole numbers of 1"),
        ("ab,bc->ac", (3,), None, "takes 2 axes"),
    ],
)
def test_what_makes_no_sense_is_refused(equation, output_shape, bias_axes, words):
    with pytest.raises(ConfigError, match=words):
        layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)(layers.Input((3, 2)))


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes"), [("abc,cd->bad", (3, 4), None), ("abc,cd->abd", (3, 4), "a")]
)
def test_what_mixes_rows_is_refused(equation, output_shape, bias_axes):
    layer = layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)
    x = layers.Input(batch_shape=(3, 3, 2))
    with pytest.raises(UnsupportedError, match="row"):
        lower(Model(x, layer(x)))


def test_an_output_shape_before_it_is_built():
    layer = layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")
    assert layer.compute_output_shape((None, 3, 8)) == (None, 3, 4)
    assert not layer.built
