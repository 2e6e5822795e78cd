"""Inputs that may be left out: with None for one, predictions, steps and evaluations are Keras's."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, callbacks, layers, losses, metrics, ops, optimizers
from foldnet.errors import ConfigError, InputError, UnsupportedError

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
RNG = np.random.default_rng(7)
ROWS = {"x": RNG.normal(2, 3, (9, 4, 3)).astype("f"), "seen": RNG.integers(0, 2, (9, 4)).astype("f")}
TARGETS = RNG.normal(size=(9, 2)).astype("f")
WITHOUT = {"x": ROWS["x"], "seen": None}


def masked(kit, inputs, model):
    """BatchNormalization over the positions that an optional mask names."""
    x, seen = inputs((4, 3), name="x"), inputs((4,), name="seen", optional=True)
    y = kit.BatchNormalization(momentum=0.6)(x, mask=seen)
    y = kit.Flatten()(y)
    return model({"x": x, "seen": seen}, kit.Dense(2)(y))


def pair():
    ours, theirs = masked(layers, Input, Model), masked(keras.layers, keras.Input, keras.Model)
    rng = np.random.default_rng(3)
    ours.set_weights([rng.uniform(0.5, 2, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    for network, maker in ((ours, optimizers), (theirs, keras.optimizers)):
        network.compile(maker.SGD(0.01), "mse", metrics=["mae"])
    return ours, theirs


@pytest.mark.parametrize("given", [ROWS, WITHOUT], ids=["given", "None"])
def test_steps_and_predictions_are_kerass(given):
    ours, theirs = pair()
    for _ in range(2):
        found = ours.train_on_batch(given, TARGETS)
        np.testing.assert_allclose(found, theirs.train_on_batch(given, TARGETS)[: len(found)], rtol=2e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(ours.predict(given), theirs.predict(given, verbose=0), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(ours(given), ours.predict(given), rtol=1e-5, atol=1e-6)
    found = ours.evaluate(given, TARGETS, verbose=0)
    np.testing.assert_allclose(found, theirs.evaluate(given, TARGETS, verbose=0), rtol=2e-4)


def test_a_mask_that_is_given_moves_the_step():
    first, second = pair()[0], pair()[0]
    first.train_on_batch(ROWS, TARGETS)
    second.train_on_batch(WITHOUT, TARGETS)
    assert not np.allclose(first.layers[2].moving_mean, second.layers[2].moving_mean)


def test_absence_may_change_from_call_to_call_and_from_batch_to_batch():
    ours, theirs = pair()
    for given in (ROWS, WITHOUT, ROWS):
        found = ours.train_on_batch(given, TARGETS)
        np.testing.assert_allclose(found, theirs.train_on_batch(given, TARGETS), rtol=2e-5)
    batches = [(ROWS, TARGETS), (WITHOUT, TARGETS)]
    history = ours.fit(batches, epochs=2, verbose=0, shuffle=False).history
    for epoch in range(2):
        steps = [theirs.train_on_batch(*batch)[0] for batch in batches]  # Keras's own loop does not take this
        np.testing.assert_allclose(history["loss"][epoch], np.mean(steps), rtol=2e-4)


def test_validation_may_be_without_it():
    ours = pair()[0]
    history = ours.fit(ROWS, TARGETS, epochs=2, verbose=0, validation_data=(WITHOUT, TARGETS)).history
    np.testing.assert_allclose(
        history["val_loss"][-1], ours.evaluate(WITHOUT, TARGETS, verbose=0)[0], rtol=1e-6
    )


def test_batches_callbacks_and_metrics_in_python_see_rows_without_it():
    class Counted(metrics.Metric):
        seen = 0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen += len(y_pred)

        def result(self):
            return self.seen

        def reset_state(self):
            self.seen = 0

    ours = pair()[0]
    told = []
    hear = callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: told.append(len(logs["outputs"]))
    )
    np.testing.assert_array_equal(
        ours.predict(WITHOUT, batch_size=4, callbacks=[hear]), ours.predict(iter([WITHOUT]))
    )
    assert told == [4, 4, 1]
    with pytest.warns(RuntimeWarning, match="Counted"):
        ours.compile("sgd", losses.MeanSquaredError(), metrics=[Counted()])
    assert ours.evaluate(WITHOUT, TARGETS, verbose=0, return_dict=True)["counted"] == 9
    assert ours.fit([(ROWS, TARGETS), (WITHOUT, TARGETS)], verbose=0).history["counted"] == [18]


def test_a_predictor_can_be_frozen_without_it(tmp_path):
    ours = pair()[0]
    predict = foldnet.freeze(ours, without=["seen"])
    assert predict.input_names == ["x"]
    np.testing.assert_array_equal(predict(ROWS["x"]), ours.predict(WITHOUT))
    np.testing.assert_array_equal(predict({"x": ROWS["x"]}), ours.predict(WITHOUT))
    predict.save(tmp_path / "p.foldnet")
    np.testing.assert_array_equal(
        foldnet.load_predictor(tmp_path / "p.foldnet")(ROWS["x"]), ours.predict(WITHOUT)
    )


def test_a_file_keeps_it_optional(tmp_path):
    ours, _ = pair()
    ours.save(tmp_path / "m.keras")
    again = foldnet.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(WITHOUT), ours.predict(WITHOUT))
    theirs = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(
        theirs.predict(WITHOUT, verbose=0), ours.predict(WITHOUT), rtol=1e-5, atol=1e-6
    )
    copy = foldnet.models.clone_model(ours)
    copy.set_weights(ours.get_weights())
    np.testing.assert_array_equal(copy.predict(WITHOUT), ours.predict(WITHOUT))


def twice(kit, inputs, model):
    """A nested network, called with the optional input and by itself; and weights that a function may be without."""
    inner_x, inner_w = inputs((4,)), inputs((4,), optional=True)
    inner = model([inner_x, inner_w], kit.Softmax()(inner_x, mask=inner_w))
    x, w, other = inputs((4,), name="x"), inputs((4,), name="w", optional=True), inputs((4,), name="other")
    mean = (ops if inputs is Input else keras.ops).average
    return model([x, w, other], [inner([x, w]), inner([x, other]), mean(x, axis=1, weights=w)])


@pytest.mark.parametrize("absent", [False, True])
def test_nested_networks_and_functions_get_none(absent):
    ours, theirs = twice(layers, Input, Model), twice(keras.layers, keras.Input, keras.Model)
    rows = [RNG.normal(size=(5, 4)).astype("f"), None, RNG.integers(0, 2, (5, 4)).astype("f")]
    rows[2][:, 0] = 1
    if not absent:
        rows[1] = rows[2][::-1].copy()
    for a, b in zip(ours.predict(rows), theirs.predict(rows, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_computes_from_it_is_refused_by_name():
    x, w = Input((3,), name="x"), Input((3,), name="w", optional=True)
    rows = [np.ones((2, 3), "f"), None]
    dense = layers.Dense(2, name="first")(w)
    with pytest.raises(UnsupportedError, match="layer 'first' is computed from the input 'w', which is None"):
        Model([x, w], dense).predict(rows)
    with pytest.raises(UnsupportedError, match=r"'w', which is None, and ops\.multiply needs a value"):
        Model([x, w], x * w).predict(rows)
    with pytest.raises(UnsupportedError, match="an output of the network is computed from the input 'w'"):
        Model([x, w], [layers.Dense(2)(x), w]).predict(rows)
    required = Input((3,))
    inner = Model(required, layers.Dense(2)(required), name="inner")
    with pytest.raises(UnsupportedError, match="the network 'inner' is computed from the input 'w'"):
        Model([x, w], inner(w)).predict(rows)


def test_none_in_a_loss_is_no_number():
    x = Input((3,))
    model = Model(x, layers.Dense(1)(x))
    model.compile("sgd", lambda y_true, y_pred: ops.multiply(y_pred, None))
    with pytest.raises(ConfigError, match="an operand is None"):
        model.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0)


def test_none_elsewhere_is_refused():
    ours, _ = pair()
    for call in (ours.predict, ours, lambda rows: ours.fit(rows, TARGETS, verbose=0)):
        with pytest.raises(InputError, match="The input 'x' is not optional, and None was passed"):
            call({"x": None, "seen": ROWS["seen"]})
    lone = Input((3,), optional=True)
    alone = Model(lone, layers.Dense(1)(lone), name="alone")
    with pytest.raises(InputError, match="all inputs of 'alone' are None"):
        alone.predict(None)
    with pytest.raises(ConfigError, match=r"'x' is not an input .* may be left out; optional are \['seen'\]"):
        foldnet.freeze(ours, without=["x"])
    with pytest.raises(ConfigError, match="must be a list of names"):
        foldnet.freeze(ours, without="seen")
    with pytest.raises(InputError, match="others have None for it"):
        ours.fit(ROWS, TARGETS, verbose=0, validation_data=[(ROWS, TARGETS), (WITHOUT, TARGETS)])
