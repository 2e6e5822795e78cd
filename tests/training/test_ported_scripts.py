"""Scripts as Keras users write them, run twice: with ``keras``, and with ``foldnet`` in its place."""

import inspect
import json
import pickle
import warnings

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.errors import ConfigError, UnsupportedError

RNG = np.random.default_rng(11)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = RNG.normal(size=(40, 1)).astype(np.float32)
LABELS = (X.sum(axis=1) > 0).astype(int)


def filled(model):
    """Weights, statistics included, that differ from channel to channel."""
    rng = np.random.default_rng(3)
    weights = list(model.get_weights())
    model.set_weights(
        [np.abs(rng.normal(size=w.shape)) + 0.1 if w.ndim == 1 else rng.normal(size=w.shape) for w in weights]
    )
    return model


def stack(lib, *more):
    return filled(
        lib.Sequential(
            [lib.Input(shape=(4,)), lib.layers.BatchNormalization(axis=1), *more, lib.layers.Dense(1)]
        )
    )


def variables(lib):
    model = stack(lib)
    norm, dense = model.layers
    norm.moving_mean.assign(np.arange(4.0))
    dense.bias.assign_add(np.ones(1))
    dense.bias.assign_sub(np.full(1, 0.25))
    for weight in model.trainable_variables:
        weight.assign(weight * 2)
    held = dense.kernel
    before = held.numpy()
    model.compile("sgd", "mse")
    model.fit(X, Y, shuffle=False, verbose=0)
    return [
        before,
        np.asarray(held),  # a variable is what it is now
        norm.moving_mean.numpy(),
        list(norm.moving_mean.shape),
        [w.name for w in model.weights],
        [w.trainable for w in norm.weights],
        len(model.trainable_variables),
        len(model.non_trainable_variables),
        np.asarray(held + 1),
        np.asarray(abs(held) * held),
        held.path.split("/")[-2:],
    ]


def frozen_statistics(lib):
    model = stack(lib)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, shuffle=False, verbose=0)
    model.layers[0].moving_mean.assign(np.arange(4.0))
    model.fit(X, Y, shuffle=False, verbose=0)
    return model.get_weights()


def refrozen(lib):
    """A layer that is set free again within a frozen nested network, and within a frozen whole."""
    base = lib.Sequential(
        [lib.Input(shape=(4,)), lib.layers.Dense(5, name="d"), lib.layers.Dense(3, name="e")], name="base"
    )
    base.trainable = False
    base.get_layer("e").trainable = True
    whole = filled(lib.Sequential([lib.Input(shape=(4,)), base, lib.layers.Dense(1, name="top")]))
    whole.compile("sgd", "mse")
    whole.fit(X, Y, shuffle=False, verbose=0)
    first, counts = whole.get_weights(), [len(whole.trainable_weights), len(base.trainable_weights)]
    whole.trainable = False
    whole.get_layer("top").trainable = True
    whole.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras: the model has no trainable weights
        whole.fit(X, Y, shuffle=False, verbose=0)
    return [first, counts, whole.get_weights(), len(whole.trainable_weights)]


def never_trainable(lib):
    model = lib.Sequential([lib.Input(shape=(4,)), lib.layers.Dense(3)], trainable=False, name="s")
    inputs = lib.Input(shape=(4,))
    other = lib.Model(inputs, lib.layers.Dense(2)(inputs), trainable=False, name="m")
    return [len(model.trainable_weights), model.name, len(other.trainable_weights), other.name]


def copies(lib):
    model = stack(lib, lib.layers.Dense(3, activation="relu"))
    clone = lib.models.clone_model(model)
    of_config = lib.Sequential.from_config(model.get_config())
    of_json = lib.models.model_from_json(model.to_json())
    result = []
    for copy in (clone, of_config, of_json):
        assert copy.layers[0] is not model.layers[0]
        result += [[w.shape for w in copy.get_weights()], filled(copy).predict(X, verbose=0), copy.name]
    return result


def branched_copy(lib):
    a, b = lib.Input(shape=(4,), name="a"), lib.Input(shape=(4,), name="b")
    shared = lib.layers.Dense(3, activation="tanh", name="shared")
    joined = lib.layers.Concatenate(name="joined")([shared(a), shared(b), a])
    model = filled(lib.Model({"a": a, "b": b}, [lib.layers.Dense(1, name="o")(joined), joined]))

    def other(layer):
        if layer.name == "shared":
            return lib.layers.Dense(3, activation="relu", name="shared")
        return layer.__class__.from_config(layer.get_config())

    clone = lib.models.clone_model(model, clone_function=other)
    clone.set_weights(model.get_weights())
    return [clone.predict({"a": X, "b": -X}, verbose=0), len(clone.layers)]


def parts(lib):
    inputs = lib.Input(shape=(4,))
    hidden = lib.layers.Dense(5, activation="relu", name="hidden")(inputs)
    model = filled(lib.Model(inputs=inputs, outputs=lib.layers.Dense(2)(hidden)))
    features = lib.Model(inputs=model.input, outputs=model.get_layer("hidden").output)
    return [features.predict(X, verbose=0), list(model.input_shape), list(model.output_shape)]


def sums(lib):
    a, b = lib.Input(shape=(4,)), lib.Input(shape=(4,))
    h = (lib.layers.Dense(4)(a) + a) * 2.0 - 1 + b
    h = (3 - h * lib.layers.Dense(1)(b)) / 4.0 + np.arange(4, dtype=np.float32)
    model = filled(lib.Model([a, b], lib.layers.Dense(1)(-h - b)))
    model.compile("sgd", "mse")
    model.fit([X, -X], Y, shuffle=False, verbose=0)
    return [model.predict([X, -X], verbose=0), model.get_weights()]


def rates(lib):
    model = stack(lib)
    model.compile(lib.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(X, Y, shuffle=False, verbose=0)
    model.optimizer.learning_rate.assign(0.02)
    model.fit(X, Y, shuffle=False, verbose=0)
    return [float(model.optimizer.learning_rate.numpy()), model.get_weights()]


def datasets(lib):
    class Batches(lib.utils.PyDataset):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

        def __len__(self):
            return 4

        def __getitem__(self, index):
            part = slice(index * 10, index * 10 + 10)
            return X[part], LABELS[part]

    model = filled(lib.Sequential([lib.Input(shape=(4,)), lib.layers.Dense(1, activation="sigmoid")]))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        Batches(),
        epochs=3,
        shuffle=False,
        verbose=0,
        class_weight={0: 1.0, 1: 3.0},
        validation_data=Batches(),
    )
    return [history.history, history.params, model.evaluate(Batches(), verbose=0)]


def order_of_logs(lib):
    model = stack(lib)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    rate = lib.callbacks.ReduceLROnPlateau(patience=1, cooldown=2, factor=0.5)
    history = model.fit(
        X, Y, sample_weight=np.linspace(0, 2, 40), epochs=4, validation_split=0.3, shuffle=False, verbose=0,
        callbacks=[rate],
    )  # fmt: skip
    return [list(history.history), history.history, rate.in_cooldown(), model.loss, model.compiled]


def callback_list(lib):
    seen = []
    hook = lib.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs)))
    several = lib.callbacks.CallbackList([hook], add_history=True, model=stack(lib), epochs=3)
    several.on_train_begin()
    several.on_epoch_end(0, {"loss": 1.0})
    return [seen, hook.params]


def preprocessing(lib):
    result = []
    for axis, x in ((-1, X), (None, X), ((1, 2), X.reshape(4, 10, 4))):
        layer = lib.layers.Normalization(axis=axis)
        layer.adapt(x)
        result += [np.asarray(layer.mean), np.asarray(layer.variance), np.asarray(layer(x))]
    return result


def without_loss(lib):
    model = stack(lib)
    model.compile("adam")
    return model.predict(X, verbose=0)


def built(lib):
    model = lib.Sequential([lib.layers.Dense(3), lib.layers.Dense(1)])
    model.build(input_shape=(None, 4))
    layer = lib.layers.Dense(2)
    layer.build(input_shape=(None, 7))
    return [model.count_params(), [w.shape for w in layer.get_weights()], lib.utils.normalize(X[:3])]


SCRIPTS = [
    variables, frozen_statistics, refrozen, never_trainable, copies, branched_copy, parts, sums, rates, datasets,
    order_of_logs, callback_list, preprocessing, without_loss, built,
]  # fmt: skip


def equal(ours, theirs):
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            equal(*pair)
    elif isinstance(theirs, str) or theirs is None:
        assert ours == theirs
    else:
        assert np.shape(ours) == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_same_as_keras(script):
    keras.utils.clear_session(free_memory=False)
    foldnet.utils.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = script(keras)
    equal(script(foldnet), theirs)


@pytest.mark.parametrize(
    "name", ["fit", "evaluate", "compile", "summary", "save", "save_weights", "load_weights", "add", "pop"]
)
def test_arguments_come_in_keras_order(name):
    """Arguments given by place or by Keras's name mean the same; foldnet's own come after them."""

    def parameters(owner):
        given = inspect.signature(getattr(owner, name)).parameters.values()
        return [p.name for p in given if p.name != "self" and p.kind is not p.VAR_KEYWORD]

    theirs, ours = parameters(keras.Sequential), parameters(Sequential)
    if name == "save_weights":
        theirs.remove("max_shard_size")
    assert ours[: len(theirs)] == theirs


def quick():
    model = Sequential([Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


class OwnModel(Model):
    def __init__(self):
        super().__init__()

    def call(self, x):
        return x


class OwnStep(Model):
    def train_step(self, data):
        return {}


class OwnLayer(layers.Layer):
    def call(self, x):
        return x * 2


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (OwnModel, UnsupportedError, r"OwnModel defines call\(\)"),
        (lambda: OwnStep(*[Input((4,))] * 2), UnsupportedError, r"OwnStep defines train_step\(\)"),
        (OwnLayer, UnsupportedError, r"OwnLayer defines call\(\)"),
        (Model, ConfigError, "inputs and outputs"),
        (lambda: quick().add_loss(1.0), AttributeError, "losses of compile"),
        (lambda: layers.Dense(1).add_weight(shape=(1,)), AttributeError, "own layers only"),
        (lambda: layers.Lambda(abs), AttributeError, "Python code"),
        (lambda: layers.ConvLSTM2D(3, 2), AttributeError, "ConvLSTM2D.*it has"),
        (lambda: foldnet.callbacks.TensorBoard(), AttributeError, "CSVLogger"),
        (lambda: foldnet.models.load_model("x.keras", safe_mode=False), UnsupportedError, "never runs code"),
        (lambda: Input((4,)) + Input((2, 4)), ConfigError, "ranks differ"),
    ],
)  # fmt: skip
def test_refusals_name_the_cause(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_without_a_loss_nothing_trains():
    model = stack(foldnet)
    model.compile("adam")
    with pytest.raises(ConfigError, match="without a loss"):
        model.fit(X, Y)


def test_a_class_of_ones_own_may_join_layers():
    class Named(Model):
        def __init__(self, units):
            inputs = Input((4,))
            super().__init__(inputs=inputs, outputs=layers.Dense(units)(inputs), name="named")
            self.units = units

    model = Named(3)
    assert (model.predict(X).shape, model.name, model.units) == ((40, 3), "named", 3)


def test_setting_a_weight_as_an_attribute_or_in_part_sets_it():
    dense = quick().layers[0]
    dense.bias = [1.0, 2.0]
    dense.kernel[0] = 7
    dense.kernel += 1
    held = dense.bias
    held += 1
    np.testing.assert_array_equal(dense.get_weights()[1], [2, 3])
    np.testing.assert_array_equal(dense.get_weights()[0][0], [8, 8])
    with pytest.raises(ValueError, match="shape"):
        dense.bias = [1.0]


def test_arrays_given_stay_the_callers():
    model = quick()
    kernel = np.ones((4, 2), np.float32)
    model.set_weights([kernel, np.zeros(2, np.float32)])
    kernel[:] = 5
    assert (model.get_weights()[0] == 1).all()


def test_variables_and_rates_travel():
    model = quick()
    rate = model.optimizer.learning_rate
    assert json.dumps({"rate": rate})
    assert pickle.loads(pickle.dumps(rate)) == rate
    weight = pickle.loads(pickle.dumps(model.layers[0].kernel))
    np.testing.assert_array_equal(weight, model.layers[0].kernel)
    assert len({*model.weights, *model.weights[:0]}) == 2  # a variable can be a key


def test_an_excluded_variable_is_not_decayed():
    model = quick()
    optimizer = foldnet.optimizers.SGD(0.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[model.layers[0].bias])
    assert optimizer.decay_applies(model.layers[0], "kernel")
    assert not optimizer.decay_applies(model.layers[0], "bias")


def test_validation_batches_of_an_iterator_go_on():
    def batches():
        for i in range(8):
            yield X[i * 5 : i * 5 + 5], Y[i * 5 : i * 5 + 5]

    model = stack(foldnet)
    model.compile(foldnet.optimizers.SGD(0.0), "mse", metrics=["mae"])
    model.layers[0].trainable = False
    history = model.fit(X, Y, epochs=3, validation_data=batches(), validation_steps=2, verbose=0).history
    expected = [model.evaluate(X[i : i + 10], Y[i : i + 10], verbose=0)[0] for i in (0, 10, 20)]
    np.testing.assert_allclose(history["val_loss"], expected, rtol=1e-6)


def test_a_dataset_is_shuffled_by_batches_and_told_of_epochs():
    class Batches(foldnet.utils.Sequence):
        asked, ends = [], 0

        def __len__(self):
            return 8

        def __getitem__(self, index):
            self.asked.append(index)
            return X[index * 5 : index * 5 + 5], Y[index * 5 : index * 5 + 5]

        def on_epoch_end(self):
            self.ends += 1

    data, model = Batches(), stack(foldnet)
    model.compile("sgd", "mse")
    model.fit(data, epochs=2, verbose=0)
    first, second = data.asked[-16:-8], data.asked[-8:]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second
    assert (data.ends, data.num_batches) == (2, 8)


def test_lines_are_keras_lines(capsys):
    model = quick()
    model.fit(X, np.repeat(Y, 2, axis=1), epochs=2, batch_size=20, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    assert lines[1].startswith("2/2 - ")
    assert "s/step - loss: " in lines[1]
    model.evaluate(X, np.repeat(Y, 2, axis=1), verbose=2)
    assert capsys.readouterr().out.startswith("2/2 - ")


def test_names_of_what_evaluate_gives():
    inputs = Input((4,))
    model = Model(inputs, [layers.Dense(1, name="b")(inputs), layers.Dense(1, name="a")(inputs)])
    model.compile("sgd", "mse", metrics=[["mae"], ["mse"]])
    before = model.metrics_names
    values = model.evaluate(X, [Y, Y + 1], verbose=0)
    logs = model.evaluate(X, [Y, Y + 1], verbose=0, return_dict=True)
    assert before == model.metrics_names
    np.testing.assert_allclose(values, [logs[name] for name in before])


def test_a_file_that_is_to_stay_stays(tmp_path):
    model = quick()
    for save, name in ((model.save, "m.keras"), (model.save_weights, "m.weights.h5")):
        save(tmp_path / name)
        with pytest.raises(ConfigError, match="overwrite"):
            save(tmp_path / name, overwrite=False)


def test_configurations_hold_every_layer():
    inputs = Input((4,), name="in")
    model = Model(inputs, layers.Dense(2, name="out")(inputs), name="m")
    stored = model.get_config()
    assert [entry["name"] for entry in stored["layers"]] == ["in", "out"]
    theirs = keras.Model.from_config(json.loads(json.dumps(stored)))
    theirs.set_weights(model.get_weights())
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X), rtol=1e-5, atol=1e-6)
    assert Model.from_config(stored).layers[1] is not model.layers[1]


def test_a_metric_without_a_module_is_taken():
    def error(y_true, y_pred):
        return foldnet.ops.mean(foldnet.ops.abs(y_true - y_pred), axis=-1)

    error.__module__ = None
    model = stack(foldnet)
    model.compile("sgd", "mse", metrics=[error, "mae"])
    _, ours, mae = model.evaluate(X, Y, verbose=0)
    assert ours == pytest.approx(mae)
