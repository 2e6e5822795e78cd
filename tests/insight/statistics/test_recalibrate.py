"""Population statistics: exact, in order, from any kind of data; kept or not as validation says."""

import json

import numpy as np
import pandas
import pytest

import foldnet
from foldnet import Model, Sequential, layers, metrics
from foldnet.errors import ConfigError, InputError, UnsupportedError
from tests.insight.insight_networks import fill, images, layer_by_hand, q2, sequence, stack_of


def normalizations(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def statistics(model):
    return [
        np.array(w) for layer in normalizations(model) for w in (layer.moving_mean, layer.moving_variance)
    ]


def by_hand(model, x):
    """The statistics of each BatchNormalization's input in float64, each after those before it are set."""
    x, expected = x.astype(np.float64), []
    for layer in stack_of(model):
        if isinstance(layer, layers.BatchNormalization):
            kept = layer.kept_axes(x.ndim)
            others = tuple(a for a in range(x.ndim) if a not in kept)
            shape = layer.moving_mean.shape
            mean, variance = x.mean(axis=others).reshape(shape), x.var(axis=others).reshape(shape)
            expected += [mean, variance]
            w = layer.named_weights
            spread = [n if a in kept else 1 for a, n in enumerate(x.shape)]
            x = (x - mean.reshape(spread)) / np.sqrt(variance.reshape(spread) + layer.epsilon)
            for name, join in (("gamma", np.multiply), ("beta", np.add)):
                x = join(x, w[name].astype(np.float64).reshape(spread)) if name in w else x
        else:
            x = layer_by_hand(layer, x)
    return expected


def rows(model, count=301, seed=5):
    return np.random.default_rng(seed).normal(2, 3, (count, *model.inputs[0].shape[1:])).astype(np.float32)


@pytest.mark.parametrize("make", [q2, sequence, images])
def test_each_layer_gets_the_statistics_of_what_it_sees_at_prediction_time(make):
    model = make()
    x = rows(model)
    others = {k: v.copy() for k, v in model.named_weights.items() if "moving" not in k}
    result = foldnet.recalibrate(model, x, batch_size=50)
    for found, expected in zip(statistics(model), by_hand(model, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-6)
    for name, value in others.items():
        np.testing.assert_array_equal(model.named_weights[name], value)
    assert result.applied
    assert result.rows == len(x)
    assert result.effect is None


def test_huge_mean_with_tiny_variance():
    model = Sequential([layers.Input((2,)), layers.BatchNormalization()])
    x = np.float32(1e6) + np.float32(0.0625) * np.random.default_rng(0).integers(-3, 4, (1000, 2))
    x = x.astype(np.float32)
    foldnet.recalibrate(model, x, batch_size=17)
    exact = x.astype(np.float64) - 1e6
    np.testing.assert_allclose(model.layers[0].moving_variance, exact.var(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(
        model.layers[0].moving_mean, x.astype(np.float64).mean(axis=0).astype(np.float32)
    )


def test_every_kind_of_data_gives_the_same(tmp_path):
    x = rows(q2())
    y = np.zeros((len(x), 1))
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    class Batches:
        def __iter__(self):
            return iter(np.array_split(x, 7))

    forms = {
        "array": x,
        "float64": x.astype(np.float64),
        "lists": x.tolist(),
        "mapped": mapped,
        "table": pandas.DataFrame(x),
        "batches": Batches(),
        "list of batches": np.array_split(x, 5),
        "pairs": [(x[:100], y[:100]), (x[100:], y[100:])],
        "function": lambda: (x[i : i + 64] for i in range(0, len(x), 64)),
        "function of pairs": lambda: iter([(x, y)]),
    }
    expected = None
    for kind, data in forms.items():
        model = q2()
        foldnet.recalibrate(model, data, batch_size=64)
        expected = expected or statistics(model)
        for found, right in zip(statistics(model), expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=3e-7, atol=1e-7, err_msg=kind)


def test_a_mapped_array_is_read_a_batch_at_a_time(monkeypatch):
    """Nothing asks for more rows at once than a batch has."""
    largest = []

    class Watched(np.ndarray):
        def __getitem__(self, key):
            part = super().__getitem__(key)
            largest.append(len(part))
            return part

        def astype(self, *arguments, **settings):
            largest.append(len(self))
            return super().astype(*arguments, **settings)

    model = q2()
    foldnet.recalibrate(model, rows(model, 500).view(Watched), batch_size=32)
    assert max(largest) == 32


@pytest.mark.parametrize("once", [iter([np.ones((4, 11))]), (b for b in [np.ones((4, 11))])])
def test_data_that_can_be_read_once_is_refused(once):
    with pytest.raises(InputError, match="only once"):
        foldnet.recalibrate(q2(), once)


def test_a_function_that_gives_the_same_iterator_again_is_found_out():
    model = q2()
    before = statistics(model)
    iterator = iter([rows(model)])
    with pytest.raises(InputError, match="new iterator"):
        foldnet.recalibrate(model, lambda: iterator)
    counts = iter([30, 20, 10])
    with pytest.raises(InputError, match="30 rows in one pass and 20 in the next"):
        foldnet.recalibrate(model, lambda: [rows(model, next(counts))])
    for now, old in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, old)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((5, 10)), "takes rows of shape"),
        (np.full((5, 11), np.nan), "NaN or infinite"),
        (np.ones((0, 11)), "rows"),
        (np.ones((1, 11)), "1 value per channel"),
        (np.array([[3e38], [-3e38]]) * np.ones(11), "too large for float32"),
        ([["a"] * 11] * 3, "numbers"),
        (3, "rows"),
        ("rows.csv", "rows of data"),
        (lambda: 3, "iterable of batches"),
        ([], "rows"),
    ],
)
def test_bad_data_is_refused_and_changes_nothing(data, message):
    model = Sequential([layers.Input((11,)), layers.BatchNormalization(), layers.Dense(3, name="dense")])
    model.add(layers.BatchNormalization())
    fill(model)
    before = statistics(model)
    with pytest.raises(InputError, match=message):
        foldnet.recalibrate(model, data)
    for now, old in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_constant_channel_without_epsilon_is_refused():
    model = Sequential([layers.Input((2,)), layers.BatchNormalization(epsilon=0.0, name="bn")])
    with pytest.raises(InputError, match=r"'bn'.*epsilon is 0"):
        foldnet.recalibrate(model, np.ones((5, 2)))


def test_old_statistics_that_cannot_predict_are_no_hindrance():
    model = fill(Sequential([layers.Input((2,)), layers.BatchNormalization(name="bn"), layers.Dense(1)]))
    model.layers[0].set_weight("moving_variance", [-1.0, 1.0])
    x = rows(model)
    result = foldnet.recalibrate(model, x, validation_data=(x, np.ones((len(x), 1))), metric="mse")
    assert result.applied
    assert np.isnan(result.effect.before)
    np.testing.assert_allclose(model.layers[0].moving_variance, x.var(axis=0), rtol=1e-5)


def test_renormalization_keeps_its_deviations_in_step():
    model = Sequential([layers.Input((3,)), layers.BatchNormalization(renorm=True, epsilon=0.01)])
    x = rows(model)
    foldnet.recalibrate(model, x)
    layer = model.layers[0]
    deviation = np.sqrt(x.astype(np.float64).var(axis=0) + 0.01)
    np.testing.assert_allclose(layer.moving_stddev, deviation, rtol=1e-6)
    np.testing.assert_allclose(layer.renorm_stddev, deviation, rtol=1e-6)
    np.testing.assert_array_equal(layer.renorm_mean, layer.moving_mean)


def test_a_shared_layer_gets_the_population_of_all_its_calls():
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    shared = layers.BatchNormalization(name="shared")
    model = Model([a, b], layers.Add()([shared(a), shared(b)]))
    x = [rows(model), 5 + rows(model, seed=6)]
    result = foldnet.recalibrate(model, x)
    both = np.concatenate(x).astype(np.float64)
    np.testing.assert_allclose(shared.moving_mean, both.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(shared.moving_variance, both.var(axis=0), rtol=1e-6)
    assert [(d.layer, d.values) for d in result.layers] == [("shared", 602)]


def test_a_layer_that_feeds_itself_is_refused_by_name():
    x = layers.Input((2,))
    shared, after = layers.BatchNormalization(name="shared"), layers.BatchNormalization(name="after")
    model = Model(x, after(layers.Dense(2)(shared(layers.Dense(2)(shared(x))))))
    with pytest.raises(UnsupportedError, match=r"'shared' is shared.*\['shared', 'after'\]"):
        foldnet.recalibrate(model, np.random.default_rng(0).normal(size=(9, 2)))
    foldnet.recalibrate(model, np.random.default_rng(0).normal(size=(9, 2)), layers=["after"])


def test_branches_are_measured_together_and_nested_networks_opened():
    inner_x = layers.Input((3,))
    inner = Model(inner_x, layers.BatchNormalization(name="bn")(layers.Dense(3)(inner_x)), name="inner")
    x = layers.Input((3,))
    left = layers.BatchNormalization(name="left")(inner(x))
    right = layers.BatchNormalization(name="right")(x)
    model = Model(x, layers.Add()([left, right]))
    fill(model)
    data = rows(model)
    passes = []
    result = foldnet.recalibrate(model, lambda: passes.append(1) or [data])
    assert len(passes) == 2  # bn and right, then left
    assert {d.layer for d in result.layers} == {"inner/bn", "left", "right"}
    dense, bn = inner.layers[1], inner.layers[2]
    np.testing.assert_allclose(
        bn.moving_mean, (data @ dense.kernel + dense.bias).mean(axis=0), rtol=1e-4, atol=1e-5
    )
    # Whatever comes out of a recalibrated layer has mean beta and spread gamma.
    np.testing.assert_allclose(model.get_layer("left").moving_mean, bn.beta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.get_layer("left").moving_variance, bn.gamma**2, rtol=2e-2)


def test_a_nested_network_called_twice():
    inner_x = layers.Input((2,))
    dense = layers.Dense(2, name="dense")
    inner = Model(inner_x, layers.BatchNormalization(name="bn")(dense(inner_x)), name="inner")
    a, b = layers.Input((2,)), layers.Input((2,))
    model = Model([a, b], layers.Add()([inner(a), inner(b)]))
    fill(inner)
    x = [rows(model), 5 + rows(model, seed=6)]
    foldnet.recalibrate(model, x)
    seen = np.concatenate(x) @ dense.kernel + dense.bias
    np.testing.assert_allclose(inner.get_layer("bn").moving_mean, seen.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_chosen_layers_alone():
    model = q2()
    first, second, third = normalizations(model)
    before = [first.moving_mean.copy(), third.moving_mean.copy()]
    result = foldnet.recalibrate(model, rows(model), layers=[second.name])
    np.testing.assert_array_equal(first.moving_mean, before[0])
    np.testing.assert_array_equal(third.moving_mean, before[1])
    assert [d.layer for d in result.layers] == [second.name]
    with pytest.raises(ConfigError, match="no BatchNormalization"):
        foldnet.recalibrate(model, rows(model), layers=["nothing"])
    with pytest.raises(ConfigError, match="no BatchNormalization"):
        foldnet.recalibrate(Sequential([layers.Input((2,)), layers.Dense(1)]), np.ones((3, 2)))


# -- the effect ---------------------------------------------------------------------------------------------


def judged(model, factor, **settings):
    """Recalibrate on data that is ``factor`` times what the targets were made of with the old statistics."""
    x = rows(model)
    y = model.predict(x)
    return foldnet.recalibrate(model, factor * x, validation_data=(x, y), **settings)


def test_validation_keeps_the_old_statistics_where_they_do_better():
    model = q2()
    before = statistics(model)
    result = judged(model, 1.0, metric="mse")
    assert result.effect.before == pytest.approx(0, abs=1e-10)
    assert result.effect.after > 1e-3
    assert not result.applied
    assert "old statistics because the new ones are worse" in str(result)
    for now, old in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, old)
    result.apply()
    assert result.applied
    assert any((now != old).any() for now, old in zip(statistics(model), before, strict=True))
    result.restore()
    for now, old in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_validation_can_be_overruled():
    assert judged(q2(), 1.0, metric="mse", keep_if_better=False).applied


def test_statistics_that_do_better_are_kept():
    model = q2()
    x = rows(model)
    foldnet.recalibrate(model, x)
    y = model.predict(x)
    good = statistics(model)
    fill(model)  # the same weights with the statistics they had
    result = foldnet.recalibrate(model, x, validation_data=(x, y), metric="mae")
    assert result.effect.metric == "mae"
    assert result.effect.before > 1e-3
    assert result.effect.after < 1e-5
    assert result.applied
    for now, right in zip(statistics(model), good, strict=True):
        np.testing.assert_array_equal(now, right)


def test_the_direction_of_a_metric():
    def closeness(y_true, y_pred):
        return -float(np.abs(y_true - y_pred).mean())

    assert judged(q2(), 1.0, metric=closeness).applied  # taken as an error, smaller is better
    assert not judged(q2(), 1.0, metric=closeness, mode="max").applied
    model = q2()
    x = rows(model)
    labels = (model.predict(x) > 0.5).astype(np.float32)
    result = foldnet.recalibrate(model, x, validation_data=(x, labels), metric="accuracy")
    assert result.effect.before == 1.0
    assert result.effect.higher_is_better
    assert not result.applied


def test_a_metric_whose_own_code_fails_is_named():
    def wrong(y_true, y_pred):
        return y_true - None

    class Odd(metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            raise KeyError("rows")

    for metric, name, what in (
        (wrong, "wrong", "TypeError"),
        (Odd(), "odd", "KeyError"),
        (lambda y, p: "much", "<lambda>", "ValueError"),
    ):
        with pytest.raises(ConfigError, match=rf"the metric '{name}' gives no number .*\(\d+, 1\).*{what}"):
            judged(q2(), 1.0, metric=metric, mode="min")


def test_the_compiled_loss_is_the_metric_by_default():
    model = q2()
    with pytest.raises(ConfigError, match="name a metric"):
        judged(model, 1.0)
    model.compile("adam", "mae")
    x = rows(model)
    y = np.random.default_rng(0).normal(size=(len(x), 1))
    weight = np.random.default_rng(1).uniform(size=len(x))
    result = foldnet.recalibrate(model, x, validation_data=(x, y, weight), keep_if_better=False)
    expected = (np.abs(model.predict(x) - y)[:, 0] * weight).mean()
    assert result.effect.after == pytest.approx(expected, rel=1e-5)
    batches = [(x[:100], y[:100], weight[:100]), (x[100:], y[100:], weight[100:])]
    again = foldnet.recalibrate(model, x, validation_data=batches)
    assert again.effect.before == pytest.approx(expected, rel=1e-5)


def test_several_outputs():
    x = layers.Input((3,))
    y = layers.BatchNormalization()(x)
    model = fill(Model(x, [layers.Dense(1, name="a")(y), layers.Dense(2, name="b")(y)]))
    data = rows(model)
    targets = [np.ones((len(data), 1)), np.ones((len(data), 2))]
    with pytest.raises(ConfigError, match="one output"):
        foldnet.recalibrate(model, data, validation_data=(data, targets), metric="mse")
    model.compile("adam", "mse", loss_weights=[1.0, 2.0])
    result = foldnet.recalibrate(model, data, validation_data=(data, targets), keep_if_better=False)
    a, b = model.predict(data)
    assert result.effect.after == pytest.approx(((a - 1) ** 2).mean() + 2 * ((b - 1) ** 2).mean(), rel=1e-4)


def test_wrong_validation_data():
    model = q2()
    x = rows(model)
    for data, message in [
        ((x, np.ones((3, 1))), "targets"),
        ((x,), "validation_data is"),
        ([x], "without targets"),
    ]:
        with pytest.raises(InputError, match=message):
            foldnet.recalibrate(model, x, validation_data=data, metric="mse")


def test_the_report():
    model = q2()
    result = judged(model, 1.0, metric="mse")
    text = str(result)
    assert max(map(len, text.splitlines())) <= 80
    for layer in normalizations(model):
        assert layer.name in text
    first = result.layers[0]
    np.testing.assert_allclose(
        first.mean_shift,
        np.abs(first.old_mean - first.new_mean) / np.sqrt(first.new_variance + 1e-3),
        rtol=1e-12,
    )
    document = json.loads(result.to_json())
    assert document["validation"]["before"] == result.effect.before
    assert document["layers"][0]["largest_mean_shift"] == first.mean_shift.max()
    assert document["layers"][0]["new_variance"] == first.new_variance.tolist()
