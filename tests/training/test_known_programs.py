"""Networks alike share a training program, and one that differs in anything has its own."""

import numpy as np
import pytest

from foldnet import Input, Model, Sequential, backend, layers, losses, metrics, ops, optimizers, regularizers
from foldnet.recent_cache import RecentCache
from foldnet.training import known_programs
from foldnet.utils import set_random_seed

RNG = np.random.default_rng(1)
X = RNG.uniform(0.1, 0.9, size=(40, 6)).astype("f4")
Y = RNG.uniform(0.1, 0.9, size=(40, 2)).astype("f4")


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """No program is known; the list has an entry for each that is made."""
    made, make = [], known_programs._made

    def counted(*arguments):
        made.append(1)
        return make(*arguments)

    monkeypatch.setattr(known_programs, "_known", RecentCache(known_programs.MOST))
    monkeypatch.setattr(known_programs, "_made", counted)
    return made


def built(**changed):
    """A network that differs from the usual one in what is given."""
    given = {
        "activation": "relu", "units": 5, "rate": 0.2, "momentum": 0.9, "l2": 0.01, "loss": "mse", "metrics": ["mae"],
        "optimizer": lambda: optimizers.Adam(0.01), "trainable": True, "constraint": None, "order": 1, "noise": 0.1,
        "mean": 0.5, "exclude": None, "shared": False, "norm_trainable": True, "norm_epsilon": 0.001, "axis": -1,
    } | changed  # fmt: skip
    set_random_seed(2)
    inputs = Input((6,))
    x = layers.Normalization(mean=given["mean"], variance=2.0)(inputs)
    dense = layers.Dense(
        given["units"], given["activation"], kernel_regularizer=regularizers.L2(given["l2"]),
        kernel_constraint=given["constraint"],
    )  # fmt: skip
    dense.trainable = given["trainable"]
    x = dense(x)
    x = layers.GaussianNoise(given["noise"])(layers.Dropout(given["rate"])(x))
    norm = layers.BatchNormalization(momentum=given["momentum"], epsilon=given["norm_epsilon"])
    norm.trainable = given["norm_trainable"]
    x = norm(x)
    other = layers.Dense(given["units"], activation="tanh")(x)
    again = layers.Dense(given["units"], activation="tanh")(x)
    if given["shared"]:
        again = layers.Dense(given["units"], activation="tanh")(other)
    x = layers.Subtract()([other, again][:: given["order"]])
    model = Model(inputs, layers.Dense(2, activation="sigmoid")(layers.Concatenate()([x, other])))
    optimizer = given["optimizer"]()
    if given["exclude"]:
        optimizer.exclude_from_weight_decay(var_names=given["exclude"])
    model.compile(optimizer, given["loss"], metrics=given["metrics"])
    return model


def fitted(model):
    history = model.fit(X, Y, epochs=2, batch_size=16, verbose=0, validation_split=0.2)
    return history.history, model.get_weights()


def decayed():
    return optimizers.AdamW(0.01, weight_decay=0.1)


OTHERS = {
    "activation": {"activation": "gelu"}, "units": {"units": 4}, "rate": {"rate": 0.3}, "noise": {"noise": 0.2},
    "momentum": {"momentum": 0.8}, "regularizer": {"l2": 0.02}, "loss": {"loss": "mae"},
    "loss's setting": {"loss": lambda: losses.Huber(0.1)}, "loss's other setting": {"loss": lambda: losses.Huber(0.2)},
    "metric": {"metrics": ["mse"]}, "more metrics": {"metrics": ["mae", "mse"]},
    "metric's setting": {"metrics": lambda: [metrics.BinaryAccuracy(threshold=0.3)]},
    "metric's other setting": {"metrics": lambda: [metrics.BinaryAccuracy(threshold=0.7)]},
    "beta": {"optimizer": lambda: optimizers.Adam(0.01, beta_1=0.5)}, "optimizer": {"optimizer": optimizers.SGD},
    "clipping": {"optimizer": lambda: optimizers.Adam(0.01, clipnorm=0.01)},
    "learning rate": {"optimizer": lambda: optimizers.Adam(0.1)},
    "schedule": {"optimizer": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))},
    "decay": {"optimizer": decayed}, "no decay of some": {"optimizer": decayed, "exclude": ["kernel"]},
    "no decay of others": {"optimizer": decayed, "exclude": ["bias", "gamma"]},
    "frozen": {"trainable": False}, "constraint": {"constraint": "non_neg"}, "order": {"order": -1},
    "constants": {"mean": 0.25}, "connections": {"shared": True}, "frozen normalization": {"norm_trainable": False},
    "its epsilon": {"norm_trainable": False, "norm_epsilon": 0.1},
}  # fmt: skip


def changed_by(name):
    return {k: v() if callable(v) and k in ("loss", "metrics") else v for k, v in OTHERS[name].items()}


def test_a_network_that_differs_is_trained_as_alone(programs, monkeypatch):
    alone = {}
    for name in OTHERS:
        monkeypatch.setattr(known_programs, "_known", RecentCache(1))
        alone[name] = fitted(built(**changed_by(name)))
    monkeypatch.setattr(known_programs, "_known", RecentCache(known_programs.MOST))
    usual = fitted(built())
    for _ in range(2):  # in the second round, all of them are known
        for name in OTHERS:
            history, weights = fitted(built(**changed_by(name)))
            assert list(history.values()) == list(alone[name][0].values()), name
            for a, b in zip(weights, alone[name][1], strict=True):
                np.testing.assert_array_equal(a, b, err_msg=name)
            different = list(history.values()) != list(usual[0].values())
            assert different, f"{name} changes nothing, so this proves nothing"
    # The learning rate is the only change that needs no program of its own.
    assert len(programs) == 2 * len(OTHERS) + 1 - 2


def test_networks_alike_share_their_program(programs):
    def network(rate):
        model = Sequential([Input((6,)), layers.Dense(4, kernel_initializer="he_normal"), layers.Dense(2)])
        model.compile(
            optimizers.RMSprop(rate), losses.MeanSquaredError(), metrics=[metrics.MeanAbsoluteError()]
        )
        return model

    first, second = network(0.1), network(0.2)
    assert first.layers[0].name != second.layers[0].name
    fitted(first), fitted(second)
    assert len(programs) == 1
    assert second.trainer._engine is first.trainer._engine
    epsilon = backend.epsilon()
    try:
        backend.set_epsilon(0.01)
        fitted(network(0.1))
    finally:
        backend.set_epsilon(epsilon)
    assert len(programs) == 2
    first.layers[0].trainable = False
    fitted(first)
    assert len(programs) == 3
    second.fit(X[:, :6], Y, sample_weight=np.ones(Y.shape[0]), verbose=0)
    assert len(programs) == 3


def test_logs_of_several_outputs_have_each_network_s_own_names(programs):
    def network():
        inputs = Input((6,))
        model = Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
        model.compile("sgd", ["mse", "mae"], metrics=[["mae"], ["mse", "mae"]])
        return model

    histories = [network().fit(X, [Y[:, :1], Y[:, 1:]], epochs=1, verbose=0).history for _ in range(2)]
    assert len(programs) == 1
    assert not set(histories[0]) & set(histories[1]) - {"loss"}
    for history in histories:
        assert len(history) == 6
        values = list(history.values())
        absolute = [v for name, v in history.items() if name.endswith("mae")]
        assert len(set(map(tuple, values))) == 5  # the second output's loss is the same as its metric
        assert absolute[1] == [v for name, v in history.items() if name.endswith("_loss")][1]
        assert np.isfinite(list(history.values())).all()


FACTOR = 1.0


def loss(y_true, y_pred):
    """Depends on what nobody sees."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1) * FACTOR


def test_weights_that_are_constants_of_a_program_are_compared(programs):
    def network(mean):
        model = built(norm_trainable=False)
        norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
        norm.set_weight("moving_mean", np.full(5, mean))
        return fitted(model)

    first, second, again = network(0.5), network(-0.5), network(0.5)
    assert first[0]["loss"] != second[0]["loss"]
    assert first[0]["loss"] == again[0]["loss"]
    assert len(programs) == 2


def test_code_of_the_user_is_never_taken_for_the_same(programs, monkeypatch):
    def network(own_loss):
        set_random_seed(0)
        model = Sequential([Input((6,)), layers.Dense(2)])
        model.compile("sgd", own_loss)
        return model

    first = fitted(network(loss))[0]["loss"]
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert fitted(network(loss))[0]["loss"][0] == pytest.approx(2 * first[0], rel=0.1)
    assert len(programs) == 2

    class Own(layers.Dense):
        """Somebody's own class."""

    def with_own_layer():
        model = Sequential([Input((6,)), Own(2)])
        model.compile("sgd", "mse")
        return model

    fitted(with_own_layer()), fitted(with_own_layer())
    assert len(programs) == 4


def test_a_large_network_is_not_kept(programs):
    def network():
        model = Sequential([Input((6,)), layers.Dense(known_programs.LARGEST // 7 + 1), layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    network().fit(X[:4], Y[:4], verbose=0)
    network().fit(X[:4], Y[:4], verbose=0)
    assert len(programs) == 2
    assert not len(known_programs._known)
