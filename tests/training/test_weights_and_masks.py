"""Sample weights of timesteps and outputs, masks, and reductions: whole fits and evaluations against live Keras."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, layers
from foldnet.errors import ConfigError, InputError, UnsupportedError

ROWS, STEPS, CLASSES, BATCH = 37, 6, 3, 16


def sequences(kit, model, mask_zero=True):
    """A network whose output has a mask: one result for each timestep."""
    x = kit.Input((STEPS,), dtype="int32")
    h = kit.Dense(4, activation="tanh")(kit.Embedding(9, 5, mask_zero=mask_zero)(x))
    return model(x, kit.Dense(CLASSES, activation="softmax", name="steps")(h))


def two_outputs(kit, model):
    """One output with a mask and timesteps, and one that is a number per row."""
    x = kit.Input((STEPS,), dtype="int32")
    h = kit.Dense(4, activation="tanh")(kit.Embedding(9, 5, mask_zero=True)(x))
    steps = kit.Dense(CLASSES, activation="softmax", name="steps")(h)
    return model(x, [steps, kit.Dense(1, name="whole")(kit.Flatten()(h))])


def data(seed=0):
    """Indices of which some are 0, labels of timesteps, a number per row, and weights of both."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (ROWS, STEPS)).astype(np.int32)
    x[3] = 0  # a row that does not count at all
    weights = (
        rng.uniform(0.1, 2, (ROWS, STEPS)).astype(np.float32),
        rng.uniform(0.1, 2, ROWS).astype(np.float32),
    )
    return x, rng.integers(0, CLASSES, (ROWS, STEPS)), rng.normal(size=(ROWS, 1)).astype(np.float32), *weights


def compiled(make, kit, seed=0, **settings):
    """The network of one kit, with weights that both kits have; a setting may be a function of the kit."""
    model = make(kit.layers, kit.Model)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape).astype(np.float32) for w in model.get_weights()])
    model.compile(**{k: v(kit) if callable(v) else v for k, v in settings.items()})
    return model


def outcome(model, **arguments):
    """Logs of a fit, the weights after it, and what evaluation in small and in large batches gives."""
    history = model.fit(
        **{"batch_size": BATCH, "epochs": 3, "shuffle": False, "verbose": 0} | arguments
    ).history
    judged = {k: arguments[k] for k in ("x", "y", "sample_weight") if k in arguments}
    logs = [model.evaluate(**judged, batch_size=n, verbose=0, return_dict=True) for n in (BATCH, 1000)]
    return history, model.get_weights(), logs


def compare(make, engines, settings, masked_metrics=(), theirs=None, **arguments):
    """The same fit in Keras (of arguments of its own where it has them) and on each engine: weights and logs agree."""
    expected, weights, logs = outcome(compiled(make, keras, **settings), **(theirs or arguments))
    for _engine in engines():
        found, ours, judged = outcome(compiled(make, foldnet, **settings), **arguments)
        assert set(expected) == set(found)
        for name, values in expected.items():
            # On JAX, Keras loses the mask between the loss and the metrics of a training step.
            if name not in masked_metrics:
                np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
        for a, b in zip(weights, ours, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
        for a, b in zip(logs, judged, strict=True):
            assert b == pytest.approx(a, rel=2e-5, abs=1e-6)


@pytest.mark.parametrize(("reduction", "weighted"), [
    ("sum_over_batch_size", False), ("sum_over_batch_size", True), ("sum", True), ("mean_with_sample_weight", True),
])  # fmt: skip
def test_a_masked_loss(reduction, weighted, both_engines):
    x, y, _, weights, _ = data()
    settings = {
        "optimizer": lambda kit: kit.optimizers.SGD(0.05),
        "loss": lambda kit: kit.losses.SparseCategoricalCrossentropy(reduction=reduction),
        "metrics": ["accuracy"],
        "weighted_metrics": lambda kit: [kit.metrics.SparseCategoricalCrossentropy(name="ce")],
    }
    given = {"sample_weight": weights} if weighted else {}
    held = (x[:20], y[:20], weights[:20]) if weighted else (x[:20], y[:20])
    more = {"validation_data": held, "validation_batch_size": 7, **given}
    compare(sequences, both_engines, settings, ("accuracy", "ce"), x=x, y=y, **more)


def test_metrics_of_a_training_step_have_the_mask(both_engines):
    """What one step reports is what evaluation with the same weights does."""
    x, y, *_ = data()
    settings = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    for _engine in both_engines():
        ours = compiled(sequences, foldnet, **settings)
        before = ours.evaluate(x, y, batch_size=ROWS, verbose=0, return_dict=True)
        assert ours.train_on_batch(x, y, return_dict=True) == pytest.approx(before, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("form", [list, dict])
def test_weights_for_each_output(form, both_engines):
    x, steps, whole, of_steps, of_rows = data(1)
    # Keras takes dicts only from networks that give one; foldnet takes them by the names of outputs, too.
    listed, dicts = (
        ([steps, whole], [of_steps, of_rows]),
        [{"steps": a, "whole": b} for a, b in ((steps, whole), (of_steps, of_rows))],
    )
    y, weights = listed if form is list else dicts
    theirs = {"x": x, "y": listed[0], "sample_weight": listed[1], "validation_data": (x, *listed)}
    settings = {
        "optimizer": lambda kit: kit.optimizers.SGD(0.02),
        "loss": {"steps": "sparse_categorical_crossentropy", "whole": "mse"},
        "loss_weights": {"steps": 2.0, "whole": 0.5},
        "weighted_metrics": {"whole": ["mae"]},
    }
    ours = {"x": x, "y": y, "sample_weight": weights, "validation_data": (x, y, weights)}
    compare(two_outputs, both_engines, settings, theirs=theirs, **ours)
    single = {"sample_weight": weights, "return_dict": True}
    given = {"sample_weight": listed[1], "return_dict": True}
    theirs = compiled(two_outputs, keras, **settings)
    expected = [theirs.train_on_batch(x, listed[0], **given)]
    theirs.reset_metrics()  # Keras goes on with the means of the last call
    expected.append(theirs.test_on_batch(x, listed[0], **given))
    for _engine in both_engines():
        ours = compiled(two_outputs, foldnet, **settings)
        found = [ours.train_on_batch(x, y, **single), ours.test_on_batch(x, y, **single)]
        for a, b in zip(expected, found, strict=True):
            assert b == pytest.approx(a, rel=2e-5)


def test_weights_of_timesteps_split_and_streamed(both_engines):
    """The same rows keep their weights through a split, and in batches given one by one."""
    x, y, _, weights, _ = data(2)
    settings = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    for _engine in both_engines():
        whole, streamed, split = (compiled(sequences, foldnet, **settings) for _ in range(3))
        parts = [tuple(a[i : i + BATCH] for a in (x, y, weights)) for i in range(0, ROWS, BATCH)]
        streamed.fit(parts, epochs=2, verbose=0)
        whole.fit(x, y, sample_weight=weights, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
        for a, b in zip(whole.get_weights(), streamed.get_weights(), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-6)
        history = split.fit(
            x, y, sample_weight=weights, batch_size=8, validation_split=0.3, verbose=0
        ).history
        kept = int(ROWS * 0.7)
        expected = split.evaluate(x[kept:], y[kept:], sample_weight=weights[kept:], batch_size=8, verbose=0)
        assert history["val_loss"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("weighted", ["the fit", "the validation"])
def test_weights_on_one_side_only(weighted, both_engines):
    """Rows to learn from have weights of timesteps and rows to be judged by have none, or the other way round."""
    x, y, _, weights, _ = data(4)
    settings = {
        "optimizer": "sgd",
        "loss": "sparse_categorical_crossentropy",
        "weighted_metrics": ["accuracy"],
    }
    given = {"sample_weight": weights} if weighted == "the fit" else {}
    held = (x[:9], y[:9]) if given else (x[:9], y[:9], weights[:9])
    compare(sequences, both_engines, settings, ("accuracy",), x=x, y=y, validation_data=held, **given)


@pytest.mark.parametrize(("ignored", "mask_zero"), [(-1, True), (1, False)])
def test_ignored_classes(ignored, mask_zero, both_engines):
    x, y, _, weights, _ = data(3)
    y = np.where(np.random.default_rng(5).uniform(size=y.shape) < 0.3, ignored, y)
    settings = {
        "optimizer": lambda kit: kit.optimizers.SGD(0.05),
        "loss": lambda kit: kit.losses.SparseCategoricalCrossentropy(ignore_class=ignored),
    }

    def network(kit, model):
        return sequences(kit, model, mask_zero)

    compare(network, both_engines, settings, x=x, y=y, sample_weight=weights)


def dense(kit, model):
    x = kit.Input((4,))
    return model(x, kit.Dense(3, name="last")(kit.Dense(5, activation="tanh")(x)))


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_reductions_of_rows(reduction, both_engines):
    """With one weight per row; the loss of a ragged last batch counts as Keras counts it."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(ROWS, 4)).astype(np.float32), rng.normal(size=(ROWS, 3)).astype(np.float32)
    weights = rng.uniform(0, 2, ROWS).astype(np.float32)
    settings = {
        "optimizer": lambda kit: kit.optimizers.SGD(0.01),
        "loss": lambda kit: kit.losses.MeanSquaredError(reduction=reduction),
        "weighted_metrics": ["mae"],
    }
    compare(dense, both_engines, settings, x=x, y=y, sample_weight=weights, validation_data=(x, y, weights))


def test_a_loss_of_ones_own_may_look_at_the_whole_batch(both_engines):
    """Gradients flow through what all rows make together."""
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(ROWS, 4)).astype(np.float32), rng.normal(size=(ROWS, 3)).astype(np.float32)

    def explained(kit):
        def over_batch(v):
            return kit.ops.mean(v, axis=0, keepdims=True) if kit is keras else kit.ops.batch_mean(v)

        def loss(y_true, y_pred):
            apart = y_pred - over_batch(y_pred)
            shared = over_batch(kit.ops.square(apart)) + 0.1
            return kit.ops.mean(kit.ops.square(y_true - y_pred) / shared, axis=-1)

        return loss

    settings = {"optimizer": lambda kit: kit.optimizers.SGD(0.02), "loss": explained}
    compare(dense, both_engines, settings, x=x, y=y)


def test_what_does_not_fit_is_refused():
    x, y, _, weights, _ = data()
    sparse = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    ours = compiled(sequences, foldnet, **sparse)
    with pytest.raises(InputError, match=r"expected \(37,\).*one for each timestep: \(37, 6\)"):
        ours.fit(x, y, sample_weight=weights[:, :4], verbose=0)
    with pytest.raises(InputError, match=r"sample_weight has shape \(36, 6\)"):
        ours.fit(x, y, sample_weight=weights[1:], verbose=0)
    for missing in (None, "none"):
        with pytest.raises(ConfigError, match=f"one number for a batch, which reduction={missing!r}"):
            compiled(
                sequences,
                foldnet,
                optimizer="sgd",
                loss=lambda kit, m=missing: kit.losses.MeanSquaredError(m),
            )
    ours = compiled(sequences, foldnet, optimizer="sgd", loss="mse", weighted_metrics=["r2_score"])
    with pytest.raises(InputError, match=r"R2Score expects targets and outputs of shape \(rows, outputs\)"):
        ours.fit(x, np.zeros((ROWS, STEPS, CLASSES)), sample_weight=weights, verbose=0)


def test_a_judgement_that_would_count_what_a_mask_leaves_out_is_refused():
    x, y, whole, *_ = data()
    first, second = layers.Input((STEPS,), dtype="int32"), layers.Input((1,))
    beside = layers.RepeatVector(STEPS)(layers.BatchNormalization()(second))
    joined = layers.Concatenate()([layers.Embedding(9, 5, mask_zero=True)(first), beside])
    model = Model([first, second], layers.Dense(CLASSES, activation="softmax", name="steps")(joined))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(UnsupportedError, match="'steps' has a mask"):
        foldnet.recalibrate(model, [x, whole], validation_data=([x, whole], y))

    def error(y_true, y_pred):
        return float(np.mean(y_pred.argmax(axis=-1)[x != 0] != y_true[x != 0]))

    found = foldnet.recalibrate(model, [x, whole], validation_data=([x, whole], y), metric=error)
    assert found.effect is not None


def test_a_mask_without_values_to_mask_is_refused():
    """Targets of (rows, steps) for outputs of (rows, steps, 1) make one loss a row, as in Keras."""
    x = layers.Input((STEPS,), dtype="int32")
    model = Model(x, layers.Dense(1)(layers.Embedding(9, 5, mask_zero=True)(x)))
    model.compile("sgd", "mse")
    rows = data()[0]
    with pytest.raises(ConfigError, match=r"the mask of shape \(rows, 6\) does not fit"):
        model.fit(rows, np.zeros((ROWS, STEPS), np.float32), verbose=0)
    assert np.isfinite(model.fit(rows, np.zeros((ROWS, STEPS, 1)), verbose=0).history["loss"]).all()
