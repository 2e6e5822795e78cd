"""What the doctor says of weights that are NaN: one finding, and the cause that the data and the settings show."""

import numpy as np
import pytest

import foldnet as fn
from foldnet import initializers, layers, optimizers
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.divergence import causes, largest_rate
from foldnet.insight.doctor.run import examine
from tests.insight.doctor.doctor_networks import D, rows, stack
from tests.insight.doctor.doctor_sick import B, put
from tests.insight.doctor.doctor_unit_networks import broken

RELU = {"activation": "relu"}


def one_nan(values):
    values = values.copy()
    values[3] = np.nan
    return values


CLASSES = np.eye(3)[np.arange(400) % 3]
WIDE = initializers.RandomNormal(0, 500)
LARGE_X, SMALL_Y = rows() * 500, rows()[:, :1]

CAUSES = {
    "rows": (lambda: broken(x=one_nan(rows()), y=SMALL_Y), "in the data", "rows_left_out", 1),
    "targets": (lambda: broken(y=one_nan(SMALL_Y)), "in the targets", "targets_not_finite", 1),
    "logarithm": (lambda: broken(loss="poisson", y=np.abs(SMALL_Y)), "logarithm", "smallest_output_possible", -np.inf),
    "sum of 0": (lambda: broken(D(4), D(3, **RELU), loss="categorical_crossentropy", y=CLASSES),
                 "divides the output by its sum", "smallest_output_possible", 0),
    "scale and rate": (lambda: broken(x=LARGE_X, y=SMALL_Y), "Put a Normalization layer first", "learning_rate", 0.01),
    "rate": (lambda: broken(D(1), optimizer=optimizers.SGD(3.0)), "Lower the learning rate to 0.", "learning_rate", 3),
    "near": (lambda: broken(D(1), optimizer=optimizers.SGD(0.6)), "too near to 0.", "learning_rate", 0.6),
    "scale": (lambda: broken(x=LARGE_X, y=SMALL_Y, optimizer="adam"), "inputs are not", "largest_column", 518),
    "targets' scale": (lambda: broken(y=1e4 * SMALL_Y, optimizer="adam"), "targets are not", "largest_target", 9660),
    "exponentials": (lambda: broken(D(4, activation="exponential"), D(4), layers.Activation("exponential"), D(1)),
                     "exponential activation of 2", "hidden_exponentials", 2),
    "first weights": (lambda: broken(D(9, **RELU, kernel_initializer=WIDE), D(8, kernel_initializer="ones"), D(1)),
                      "kernels that start large", "growth", 500 * 5**0.5 * 3),
    "depth": (lambda: broken(*[D(4, **RELU) for _ in range(11)], D(1), optimizer="adam"), "12 layers",
              "layers_without_normalization", 12),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUSES)
def test_its_cause(name):
    made, words, number, value = CAUSES[name]
    context = made()
    report = examine(context)
    (found,) = report.of("not-finite")
    assert (found.severity, len(found.layers)) == (
        "error",
        sum(bool(layer.specs) for layer in context.network.layers),
    )
    assert words in found.message + found.remedy
    assert found.message.count("Most likely") == 1
    assert found.evidence[number] == pytest.approx(value, rel=0.05)
    assert {type(v) for v in found.evidence.values()} <= {int, float}
    assert "dead-units" not in {f.check for f in report}


@pytest.mark.parametrize(
    "made",
    [
        broken,
        lambda: broken(x=rows() * 18, optimizer="adam"),
        lambda: broken(D(1), optimizer=optimizers.SGD(0.1)),
        lambda: broken(D(1), optimizer=optimizers.SGD(3.0, clipnorm=1.0)),
        lambda: broken(D(1), optimizer=optimizers.SGD(3.0), loss="mae"),
        lambda: broken(B(), D(1), optimizer="adam", x=rows() * 19),
        lambda: broken(*[p for _ in range(11) for p in (D(4), B(), layers.ReLU())], D(1), optimizer="adam"),
        lambda: broken(
            D(3, activation="softmax"), loss="categorical_crossentropy", y=np.eye(3)[np.arange(400) % 3]
        ),
        lambda: broken(
            D(4, kernel_initializer="he_normal"),
            D(1, activation="exponential"),
            loss="poisson",
            y=np.abs(rows()[:, :1]),
        ),
        lambda: broken(D(9, kernel_initializer=initializers.RandomUniform(-1, 1)), D(1)),
        lambda: broken(D(1, activation="softplus"), loss="poisson", y=np.abs(rows()[:, :1])),
        lambda: Context(broken().network),
    ],
)
def test_nothing_is_named_without_reason(made):
    context = made()
    (found,) = examine(context, ["not-finite"]).findings
    assert "Most likely" not in found.message
    assert list(causes(context)) == []


@pytest.mark.parametrize(("units", "bias", "momentum"), [(1, True, 0.0), (3, False, 0.0), (2, True, 0.8)])
def test_above_the_largest_rate_descent_diverges(units, bias, momentum):
    """All rows in one batch: just below the limit the loss falls, just above it grows without end."""
    generator = np.random.default_rng(units)
    x = (generator.normal(size=(60, 4)) * [1, 3, 0.5, 2] + [0, 2, 0, 1]).astype(np.float32)
    y = generator.normal(size=(60, units)).astype(np.float32)
    grown = []
    for share in (0.95, 1.05):
        model = stack(D(units, use_bias=bias, name="d"), shape=(4,))
        model.compile(optimizers.SGD(1.0, momentum=momentum), "mse")
        limit = largest_rate(Context(model, x, y))
        model.optimizer.learning_rate = share * limit
        losses = model.fit(x, y, epochs=80, batch_size=60, verbose=0, shuffle=False).history["loss"]
        grown.append(losses[-1] / losses[0])
    assert grown[0] < 1.5
    assert grown[1] > 1000


def test_a_rate_that_normalized_inputs_do_not_allow_is_lowered_too():
    x = rows() * 500 + 300
    high = broken(D(1), x=x, y=SMALL_Y, optimizer=optimizers.SGD(10.0))
    (found,) = examine(high, ["not-finite"]).findings
    scaled = (x.astype(np.float64) - x.mean(0)) / x.std(0)
    inputs = np.c_[scaled, np.ones(len(x))]
    limit = 1 / np.linalg.eigvalsh(inputs.T @ inputs / len(x))[-1]
    assert found.evidence["largest_learning_rate_normalized"] == pytest.approx(limit, rel=0.02)
    assert "Put a Normalization layer first" in found.remedy
    assert f"Also lower the learning rate to {limit / 10:.1g}" in found.remedy
    low = broken(D(1), x=x, y=SMALL_Y, optimizer=optimizers.SGD(0.01))
    (found,) = examine(low, ["not-finite"]).findings
    assert "Put a Normalization layer first" in found.remedy
    assert "Also" not in found.remedy


def test_the_limit_is_the_largest_eigenvalue():
    x = rows(300) * np.float32(2) + np.float32(1)
    model = stack(layers.Rescaling(0.5), D(3, name="d"))
    model.compile(optimizers.SGD(0.1), "mse")
    inputs = np.concatenate([x.astype(np.float64) / 2, np.ones((300, 1))], axis=1)
    largest = np.linalg.eigvalsh(inputs.T @ inputs / 300)[-1]
    assert largest_rate(Context(model, x)) == pytest.approx(3 / largest, rel=1e-3)


def test_other_layers_that_are_nan_are_found_too():
    model = stack(D(4, name="a"), B(name="b"), layers.ReLU(), D(1, name="c"))
    put(model, "b", moving_variance=np.nan, gamma=np.inf)
    put(model, "c", kernel=[[np.nan], [1], [1], [1]])
    (found,) = fn.doctor(model, checks=["not-finite"]).findings
    assert (found.layers, found.evidence) == (("b", "c"), {"bad": 8, "of": 16, "layers": 2})
    assert found.message.startswith("gamma and moving_variance hold NaN")
    assert [(f.layer, f.evidence) for f in found.others] == [("c", {"bad": 1, "of": 5})]
    put(model, "b", moving_variance=-0.5, gamma=1)
    assert [f.layer for f in fn.doctor(model, checks=["not-finite"])] == ["b", "c"]
