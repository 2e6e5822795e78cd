"""Checks of labels and of overfit: one cause is named once, in the right numbers, and nothing makes them fail."""

import numpy as np
import pytest

import foldnet as fn
from foldnet.errors import InputError
from foldnet.insight.doctor.checks import labels, targets
from foldnet.insight.doctor.checks.overfit import curve_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from tests.insight.doctor.doctor_labels import (
    BCE,
    CASES,
    CE,
    CLASS,
    FREE,
    NUMBERS,
    ONE_HOT,
    SEVERAL,
    SIGMOID,
    SOFTMAX,
    SPARSE,
    TWO,
    bad,
    given,
)
from tests.insight.doctor.doctor_overfit import CASES as OF_OVERFIT
from tests.insight.doctor.doctor_overfit import by_heart, ended, falling, learned, looked_at, loss_on, valley

IDS = [c.id for c in (*labels.CHECKS, *targets.CHECKS)]
MADE = [
    pytest.param(check, made, severity, id=f"{check}-{i}")
    for check, cases in (CASES | OF_OVERFIT).items()
    for i, (made, severity) in enumerate(cases)
]


@pytest.mark.parametrize(("check", "made", "severity"), MADE)
def test_one_cause_is_named_once(check, made, severity):
    """Only one of all checks of labels says anything; of a network that is nearly sick none does."""
    found = examine(made(), [*IDS, "overfit"]).findings
    assert [(f.check, f.severity) for f in found] == ([(check, severity)] if severity else [])


@pytest.mark.parametrize(
    ("made", "evidence"),
    [(lambda: given(3, SOFTMAX, SPARSE, CLASS / 2), {"not_whole": 1 / 3, "smallest_target": 0, "largest_target": 1}),
     (lambda: given(3, SOFTMAX, CE, bad(ONE_HOT, [1, 1, 1])),
      {"rows_not_adding_up": 2 / 60, "rows_of_zeros": 0, "largest_sum": 3}),
     (lambda: given(3, SOFTMAX, CE, SEVERAL),
      {"rows_not_adding_up": (SEVERAL.sum(axis=1) > 1).mean(), "rows_of_zeros": (SEVERAL.sum(axis=1) == 0).mean(),
       "largest_sum": 3}),
     (lambda: given(3, SIGMOID, BCE, ONE_HOT), {"units": 3, "rows": 60, "zeros_for_each_one": 2}),
     (lambda: given(1, FREE, "mae", TWO), {"share_of_ones": 0.25, "units": 1}),
     (lambda: given(1, FREE, "mape", CLASS), {"zeros": 1 / 3, "largest_target": 2}),
     (lambda: given(1, FREE, "hinge", CLASS), {"other_numbers": 1 / 3, "smallest_target": 0, "largest_target": 2}),
     (lambda: given(1, FREE, "mse", ONE_HOT), {"targets_in_a_row": 3, "units": 1})],
)  # fmt: skip
def test_the_numbers_are_those_of_the_targets(made, evidence):
    (finding,) = examine(made(), ["labels-and-loss"]).findings
    assert finding.evidence == pytest.approx(evidence)


@pytest.mark.parametrize(
    ("made", "said"),
    [(lambda: given(3, SOFTMAX, SPARSE, CLASS + 1), "y - 1"),
     (lambda: given(3, SOFTMAX, SPARSE, 2 * CLASS), "a unit for each class"),
     (lambda: given(1, SIGMOID, BCE, 2 * TWO - 1), "(y + 1) / 2"),
     (lambda: given(1, SIGMOID, BCE, CLASS), "sparse_categorical_crossentropy"),
     (lambda: given(1, SIGMOID, BCE, NUMBERS), "a linear output and mse")],
)  # fmt: skip
def test_the_remedy_is_that_of_the_cause(made, said):
    (finding,) = examine(made(), ["target-out-of-reach"]).findings
    assert said in finding.remedy


ODD = {
    "texts": np.array(["a", "b"] * 30), "numbers as texts": [str(v) for v in NUMBERS],
    "dates": np.arange(60).astype("M8[D]"),
    "nothing": [], "one": 3.0, "None": [None] * 60, "of other lengths": [[1], [1, 2]] * 30, "one row": NUMBERS[:1],
    "only NaN": np.full(60, np.nan), "infinite": np.full(60, np.inf), "true": TWO == 1, "complex": NUMBERS + 1j,
    "many axes": np.zeros((60, 2, 3, 1)), "no columns": np.zeros((60, 0)), "too many": np.zeros(600),
    "large": NUMBERS * 1e300, "a dict": {"out": NUMBERS}, "a list of one": [NUMBERS], "two": [NUMBERS, NUMBERS],
}  # fmt: skip


TAKEN = {"None", "only NaN", "infinite", "true", "large", "a dict", "a list of one"}
"""Those that are one number for each row; the others are refused as targets of validation rows."""


@pytest.mark.filterwarnings("ignore")  # NumPy has its own words about some of these
@pytest.mark.parametrize("name", ODD)
def test_odd_targets_make_no_check_fail(name):
    """Neither as targets nor, where fit takes them, as those of the validation rows, whatever loss and output."""
    kinds = [
        (3, SOFTMAX, SPARSE),
        (3, SIGMOID, BCE),
        (1, FREE, "mae"),
        (1, FREE, "poisson"),
        (2, SOFTMAX, CE),
    ]
    for units, activation, loss in kinds:
        context = given(units, activation, loss, NUMBERS, ["accuracy"])
        history = {"loss": falling(1, 0.1), "val_loss": valley(1, 0.1, 1)}
        validation = (context.x, ODD[name])
        made = [Context(context.network, context.x, ODD[name], history=history)]
        if name in TAKEN:
            made += [
                Context(context.network, context.x, NUMBERS, validation_data=validation),
                Context(context.network, context.x, NUMBERS, history=history, validation_data=validation),
            ]
        else:
            with pytest.raises(InputError):
                Context(context.network, context.x, NUMBERS, validation_data=validation)
        for one in made:
            assert examine(one, [*IDS, "overfit"]).checks


def test_several_outputs_and_no_features_make_no_check_fail():
    x = fn.layers.Input((5,))
    two = fn.Model(x, [fn.layers.Dense(3)(x), fn.layers.Dense(1)(x)])
    two.compile("adam", ["mse", "mae"], metrics=[["accuracy"], []])
    flat = fn.Model(x, fn.ops.sum(x, axis=-1))
    flat.compile("adam", "mse", metrics=["accuracy"])
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    for model, y in ((two, [NUMBERS, NUMBERS]), (two, NUMBERS), (flat, NUMBERS)):
        assert examine(Context(model, rows, y, validation_data=(rows, y)), [*IDS, "overfit"]).ok


def test_a_file_is_seen_as_the_network_that_it_holds(tmp_path):
    """Loss and metrics of a file are those of the live network."""
    for i, context in enumerate(
        (
            given(3, SIGMOID, BCE, SEVERAL, ["acc", fn.metrics.AUC()]),
            given(1, FREE, "mse", NUMBERS, [fn.metrics.BinaryAccuracy()]),
            given(1, FREE, fn.losses.BinaryCrossentropy(from_logits=True), TWO, {"out": "accuracy"}),
        )
    ):
        live = fn.doctor(context.network, context.x, context.y, checks=IDS)
        assert live.of("metric-does-not-fit")
        for ending in (".keras", ".h5"):
            context.network.save(tmp_path / f"{i}{ending}")
            stored = fn.doctor(tmp_path / f"{i}{ending}", context.x, context.y, checks=IDS)
            assert [f.to_dict() for f in stored] == [f.to_dict() for f in live]


def test_the_loss_of_the_validation_rows_is_that_of_evaluate():
    """With sample weights, and with what a regularizer adds."""
    fitted, trained, (x, y) = by_heart()
    model = fn.Sequential(
        [
            fn.layers.Input((6,)),
            fn.layers.Dense(60, "relu", kernel_regularizer=fn.regularizers.L2(0.01)),
            fn.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    model.set_weights(fitted.get_weights())
    weights = np.random.default_rng(1).uniform(0, 2, len(x))
    low = loss_on(model, (x, y)) / 3
    history = {"loss": falling(1, 0.001), "val_loss": valley(99 * low, low, 99 * low)}
    (found,) = examine(
        Context(model, *trained, history=history, validation_data=(x, y, weights)), ["overfit"]
    ).findings
    measured = model.evaluate(x, y, sample_weight=weights, verbose=0)
    assert found.evidence["validation_loss"] == pytest.approx(measured, rel=1e-4)


def test_noise_between_epochs_is_no_rise():
    """Validation losses that stay or still fall a little seldom seem to rise; a valley does, in the same noise."""
    generator = np.random.default_rng(0)
    for epochs in (20, 60, 200):
        noise = np.exp(0.25 * generator.normal(size=(100, epochs)))
        loss = falling(1, 0.01, epochs)
        flat = [curve_of({"loss": loss, "val_loss": list(n)}) for n in noise]
        slow = [curve_of({"loss": loss, "val_loss": list(n * falling(1, 0.7, epochs))}) for n in noise]
        risen = [curve_of({"loss": loss, "val_loss": list(n * valley(4, 1, 4, epochs))}) for n in noise]
        assert sum(c.rises for c in flat) <= 3
        assert sum(c.rises for c in slow) <= 1
        assert sum(c.rises for c in risen) >= (70 if epochs == 20 else 95)


def test_epochs_without_validation_are_left_out():
    values = [v if i % 3 == 2 else np.nan for i, v in enumerate(valley(4, 1, 4, 60))]
    curve = curve_of({"loss": falling(1, 0.01, 60), "val_loss": values})
    assert curve.rises
    assert curve.epochs == 20
    assert values[curve.best_epoch - 1] == curve.raw[0] == np.nanmin(values)
    assert curve_of({"val_loss": [1, 2]}) is None
    assert curve_of({"loss": values}) is None


def test_weights_that_were_put_back_are_known_by_their_loss():
    """Validation rows tell the end of a training from its best epoch, and so do the rows of the training."""
    for given_to in ({"held": True}, {}):
        assert examine(ended(by_heart(), 3.0, **given_to), ["overfit"]).findings[0].severity == "warning"
    model, _, others = learned()
    now = loss_on(model, others)
    for factor, severity in ((3.0, ["warning"]), (1.0, [])):
        curve = {"loss": falling(9 * now, 0.01), "val_loss": valley(9 * now, now / factor, 4 * now)}
        found = examine(looked_at(learned(), held=True, history=curve), ["overfit"]).findings
        assert [f.severity for f in found] == severity


def test_rows_that_do_not_fit_the_network_are_refused():
    context = given(1, FREE, "mse", NUMBERS)
    with pytest.raises(InputError, match="takes rows of shape"):
        fn.doctor(context.network, validation_data=(context.x[:, :2], NUMBERS))


def test_a_metric_has_its_own_threshold(tmp_path):
    """In the live network and in its files; 0 is the middle of logits."""
    logits, accuracy = fn.losses.BinaryCrossentropy(from_logits=True), fn.metrics.BinaryAccuracy
    for metrics, said in (
        ([accuracy(threshold=0)], []),
        (
            [accuracy(threshold=0), accuracy(threshold=0.25)],
            ["binary_accuracy compares the output with 0.25"],
        ),
        ([accuracy(threshold=0), "accuracy"], ["accuracy compares the output with 0.5"]),
    ):
        context = given(1, FREE, logits, TWO, metrics)
        paths = [tmp_path / f"net{ending}" for ending in (".keras", ".h5")]
        for path in paths:
            context.network.save(path)
        for model in (context.network, *paths):
            found = fn.doctor(model, context.x, context.y).of("metric-does-not-fit")
            assert [w in f.message for f, w in zip(found, said, strict=True)] == [True] * len(said)
