"""A network that does its task refutes what a check only guesses; facts that no score can show stay as they are."""

import re
from pathlib import Path

import numpy as np
import pytest

import foldnet as fn
from foldnet import Sequential, layers, optimizers
from foldnet.insight.doctor import CHECKS
from foldnet.insight.doctor.checks.losses import BINARY, CATEGORICAL
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from foldnet.insight.doctor.works import gives_one_result
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_cases import CASES
from tests.insight.doctor.doctor_networks import D, rows
from tests.insight.doctor.doctor_rows import with_rows

GUESSES = {c.id for c in CHECKS if c.excuse != "none"}
OF_TARGETS = {"labels-and-loss", "target-out-of-reach"}
FACTS = {
    "statistics-never-updated": "a layer that does nothing in a prediction",
    "batch-of-one": "noise that is made larger, on other rows, too",
    "axis-and-data-format": "what is normalized, whatever is learned with it",
    "cancellation": "of float32, and scores are computed in float64",
    "channels-and-shape": "windows along the wrong axis know their rows by heart, and no others",
    "constant-targets": "of the targets",
    "depends-on-other-rows": "of another function",
    "dropout-before-normalization": "measured in the output",
    "frozen-normalization": "statistics that were never those of any data",
    "layer-never-added": "of the script",
    "mixed-data-formats": "positions taken for channels",
    "not-finite": "no number",
    "overfit": "measured on other rows",
    "softmax-one-unit": "one result",
    "stateful-layer": "a prediction depends on the calls before",
    "training-baked-in": "a prediction is random",
    "unusable-targets": "of the targets",
}
ASK_THEMSELVES = {
    "averaged-weights", "bias-still-zero", "dead-units", "learning-rate",
    "learns-less-than-a-simple-fit", "saturated-units", "small-batch-variance", "statistics-differ-from-data",
    "statistics-not-converged", "training-not-finished", "units-are-copies",
}  # fmt: skip
ONLY_NOTES = {
    "classes-missing", "epsilon-on-port", "fold-across-nonlinearity", "metric-does-not-fit", "receptive-field",
    "useless-bias", "variance-bessel",
}  # fmt: skip


def test_of_every_check_it_is_said_what_refutes_it():
    """A new check must say so, too: by its excuse, by itself, or why there is nothing."""
    kinds = (GUESSES, set(FACTS), ASK_THEMSELVES, ONLY_NOTES)
    assert {c.id for c in CHECKS} == set().union(*kinds)
    assert sum(map(len, kinds)) == len(CHECKS)
    for check in ONLY_NOTES:
        assert {severity for _, severity in CASES[check]} <= {"note", None}


def own_targets(context, x):
    """What the network itself gives, in the form that its loss takes, so that it does all of its task."""
    output = Context(context.network, x).measured.outputs()[0]
    name = context.losses[0].name if context.losses and context.losses[0] else ""
    if name in CATEGORICAL and output.shape[-1] > 1:
        classes = output.argmax(axis=-1)
        return classes if name.startswith("sparse") else np.eye(output.shape[-1])[classes]
    if name in BINARY:
        return (output > (0.0 if context.losses[0].from_logits else 0.5)).astype(float)
    return np.where(output > 0, 1.0, -1.0) if "hinge" in name else output


@pytest.mark.parametrize("check", sorted(GUESSES - OF_TARGETS))
def test_a_network_that_does_its_task_refutes_a_guess(check):
    """Each sick network of each such check, with its own results as targets: what is said is a note."""
    compared = 0
    for make, severity in CASES[check]:
        if severity in ("note", None):
            continue
        made = make()
        context = made if isinstance(made, Context) else Context(made)
        x = with_rows(context) if context.x is None else context.x
        if x is None or len(context.outputs) != 1 or not (context.network.outputs[0].shape[1:]):
            continue
        y = own_targets(context, x)
        works = Context(context.network, x, y, steps=context.steps or 1000)
        assert works.measurement is not None
        if gives_one_result(works) or works.task is None or works.task.constant:
            continue
        compared += 1
        assert [str(f) for f in examine(works, [check]) if f.severity != "note"] == []
    assert compared, f"no network of {check} can be compared"


def severities(report, check):
    return [f.severity for f in report.of(check)]


def trained(x, y, parts, loss, epochs, optimizer=None):
    set_random_seed(0)
    model = Sequential([layers.Input(x.shape[1:]), *parts])
    model.compile(optimizer or optimizers.SGD(0.1, momentum=0.9), loss)
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model


@pytest.mark.parametrize(("noise", "severity"), [(0.0, "note"), (0.7, "warning")])
def test_one_hot_rows_by_sigmoid(noise, severity):
    """With every row right there is nothing to be warned of; where some are wrong, softmax might do better."""
    x = rows(300, 3)
    x = x[np.sort(x, axis=1)[:, -1] - np.sort(x, axis=1)[:, -2] > 0.2]  # classes with room between them
    y = np.eye(3)[(x + noise * rows(len(x), 3, seed=9)).argmax(axis=1)]
    model = trained(x, y, [D(3, activation="sigmoid")], "binary_crossentropy", 150)
    report = fn.doctor(model, x, y)
    assert severities(report, "labels-and-loss") == [severity]
    assert [f for f in report if f.severity != "note" and f.check != "labels-and-loss"] == []


@pytest.mark.parametrize(("curve", "severity"), [(0.0, "note"), (1.0, "warning")])
def test_two_layers_without_activation(curve, severity):
    """Of a line and noise they are enough; of a curve they are not."""
    x = rows(500, 4)
    y = x[:, 0] - x[:, 1] + curve * np.abs(x[:, 2]) * 2 + rows(500, 1, seed=6)[:, 0]
    model = trained(x, y, [D(8), D(1)], "mse", 30, optimizers.SGD(0.01))
    assert severities(fn.doctor(model, x, y), "missing-activation") == [severity]
    assert severities(fn.doctor(model), "missing-activation") == ["warning"]


def test_a_network_that_learned_from_unscaled_inputs():
    x = rows(400, 4) * 30 + 40
    y = (x[:, 0] - x[:, 1]) / 30
    model = trained(x, y, [D(8, activation="relu"), D(1)], "mse", 200, optimizers.Adam(0.003))
    report = fn.doctor(model, x, y)
    assert severities(report, "input-scale") == ["note"]
    assert report.count("note") == len(report)
    assert severities(fn.doctor(model, x), "input-scale") == ["warning"]
    noise = rows(400, 1, seed=5)[:, 0]
    blind = trained(x, noise, [D(8, activation="relu"), D(1)], "mse", 60, optimizers.Adam(0.003))
    assert severities(fn.doctor(blind, x, noise), "input-scale") == ["warning"]


def groups(count):
    """Rows of three classes that lie apart."""
    generator = np.random.default_rng(2)
    classes = generator.integers(0, 3, count)
    x = 2 * generator.normal(size=(3, 6))[classes] + generator.normal(size=(count, 6))
    return x.astype(np.float32), classes


@pytest.mark.parametrize("units", [3, 1])
def test_rows_of_one_class_of_a_network_that_knows_others(units):
    """A part of sorted rows is a note; a network that was trained on nothing else is an error."""
    activation, loss = (
        ("softmax", "sparse_categorical_crossentropy") if units == 3 else ("sigmoid", "binary_crossentropy")
    )
    x, classes = groups(600)
    y = classes if units == 3 else (classes == 1).astype(int)

    def fitted(targets):
        return trained(
            x,
            targets,
            [D(16, activation="relu"), D(units, activation=activation)],
            loss,
            20,
            optimizers.SGD(0.02),
        )

    model = fitted(y)
    for answer in np.unique(y):
        part = y == answer
        assert severities(fn.doctor(model, x[part], y[part]), "constant-targets") == ["note"]
    ones = np.ones(600)
    assert severities(fn.doctor(fitted(ones), x, ones), "constant-targets") == ["error"]


def test_rows_of_one_number_of_a_network_that_gives_others():
    x = rows(600, 3)
    y = np.clip(np.round(x[:, 0] + 0.5 * x[:, 1]), -2, 2) + 5
    model = trained(x, y, [D(8, activation="relu"), D(1)], "mse", 20, optimizers.SGD(0.01))
    part = y == 6
    assert severities(fn.doctor(model, x[part], y[part]), "constant-targets") == ["note"]
    blind = trained(x, np.full(600, 6.0), [D(8, activation="relu"), D(1)], "mse", 40, optimizers.SGD(0.01))
    assert severities(fn.doctor(blind, x, np.full(600, 6.0)), "constant-targets") == ["error"]


def test_the_page_says_what_refutes_which_check():
    """The first two points of the section name all checks with that excuse, and no others."""
    page = (Path(__file__).parents[3] / "docs/doctor/index.md").read_text()
    points = page.partition("## A network that does its task")[2].partition("\n## ")[0].split("\n- ")[1:3]
    ids = {check.id for check in CHECKS}
    for point, excuses in zip(points, ({"learned"}, {"all", "curves"}), strict=True):
        assert {*re.findall(r"`([a-z0-9-]+)`", point)} & ids == {c.id for c in CHECKS if c.excuse in excuses}
