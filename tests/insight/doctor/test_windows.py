"""How far convolutions see, against which inputs really change what they give."""

import numpy as np
import pytest

from foldnet import Model, layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import with_nodes
from foldnet.insight.doctor.checks.channel_shapes import correlation_of_neighbours
from foldnet.insight.doctor.checks.windows import Reach, reaches
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.run import examine
from foldnet.lowering.lower import lower
from foldnet.operations.regions import ALL, Span
from tests.insight.doctor.doctor_networks import D, filled, stack
from tests.insight.doctor.doctor_windows import pictures_in_turn, smooth
from tests.insight.doctor.doctor_windows_cases import WINDOWS


def _separated(x):
    y = layers.SeparableConv1D(3, 3, padding="same")(x)
    return layers.Conv1D(2, 2, dilation_rate=4, padding="causal")(layers.MaxPooling1D(2)(y))


def _branched(x):
    far = layers.Conv1D(3, 3, dilation_rate=3, padding="same")(x)
    near = layers.AveragePooling1D(3, strides=1, padding="same")(layers.Conv1D(3, 1)(x))
    return layers.Conv1D(2, 2)(layers.Add()([far, near]))


def _up_and_down(x):
    y = layers.Conv1DTranspose(3, 3, strides=2, padding="same")(layers.Conv1D(3, 3, strides=2)(x))
    return layers.Conv1D(2, 3)(layers.UpSampling1D(2)(y))


def _padded_at_one_end(x):
    return layers.MaxPooling1D(12, strides=3, padding="same")(layers.Conv1D(2, 3, strides=2)(x))


def _interpolated(x):
    y = layers.Conv2D(2, (3, 1), strides=(2, 1), padding="same")(layers.Reshape((25, 1, 2))(x))
    y = layers.UpSampling2D((3, 1), interpolation="bilinear")(y)
    return layers.Conv1D(2, 2)(layers.Reshape((39, 2))(y))


def _resized(x):
    y = layers.Resizing(10, 1, interpolation="nearest")(
        layers.Reshape((25, 1, 2))(layers.Conv1D(2, 3, padding="same")(x))
    )
    return layers.Conv1D(2, 2)(layers.Reshape((10, 2))(y))


def _adaptive(x):
    y = layers.AdaptiveMaxPooling1D(9)(layers.Conv1D(2, 3, padding="same")(x))
    return layers.AdaptiveAveragePooling1D(4)(y)


BUILT = (_separated, _branched, _up_and_down, _padded_at_one_end, _interpolated, _resized, _adaptive)


@pytest.mark.parametrize("build", BUILT, ids=lambda build: build.__name__[1:])
def test_the_reach_of_every_position_is_what_changes_it(build):
    x = layers.Input((25, 2), name="x")
    graph = lower(filled(Model(x, build(x))))
    given = np.random.default_rng(0).normal(size=(1, 25, 2))
    # Every position changed in four ways, by so much that for one of them it is the largest of its windows.
    far = np.eye(25)[:, None, :, None] * np.array([[99, 0], [-99, 0], [0, 99], [0, -99]])[:, None, :]
    rows = np.concatenate([given, (given + far).reshape(-1, 25, 2)])
    (result,) = ReferenceProgram(graph).run([rows])
    count = result.shape[1]
    for place in range(count):
        (touched,) = np.nonzero((result[1:, place] != result[0, place]).reshape(25, -1).any(axis=-1))
        steps, features = reaches(graph, {graph.outputs[0]: [(Span(place, count - 1 - place), ALL)]})
        assert steps == Reach(1, touched[-1] - touched[0] + 1, 25), place
        assert features == Reach(2, 2, 2)


def test_a_value_that_does_not_depend_on_an_input_reaches_nothing_of_it():
    x, y = layers.Input((9, 2), name="x"), layers.Input((9, 2), name="y")
    graph = lower(filled(Model([x, y], [layers.Conv1D(2, 3)(x), layers.Conv1D(2, 4)(y)])))
    graph = with_nodes(graph, graph.nodes, outputs=graph.outputs[:1])
    assert reaches(graph, {graph.outputs[0]: [(Span(2, 4), ALL)]}) == [Reach(1, 3, 9), Reach(2, 2, 2)]


def test_the_correlation_of_neighbours_is_pearsons_without_the_rows_means():
    x = smooth((6, 9, 2), 2) + np.arange(30)[:, None, None, None]
    centred = (x - x.mean(axis=(1, 2, 3), keepdims=True)).astype(np.float64)
    before, after = centred[:, :, :-1].ravel(), centred[:, :, 1:].ravel()
    expected = before @ after / np.sqrt((before @ before) * (after @ after))
    assert correlation_of_neighbours(x, 2) == pytest.approx(expected)
    assert correlation_of_neighbours(x, 2) > 0.7 > 0.3 > abs(correlation_of_neighbours(x, 1))
    assert correlation_of_neighbours(np.ones((5, 4, 4)), 1) is None


def test_what_fits_the_shape_is_not_named_at_all():
    for check, cases in WINDOWS.items():
        for made, severity in cases:
            context = made()
            context = context if isinstance(context, Context) else Context(context)
            if severity is None:
                assert examine(context, [check]).findings == ()


def test_a_cause_is_named_once():
    """The normalization has its channels where the input has them; only the convolution is wrong."""
    norm = layers.BatchNormalization(axis=1, name="bn")
    model = stack(norm, layers.Conv2D(4, 3, name="conv"), layers.Flatten(), D(1), shape=(3, 16, 16))
    found = examine(Context(model)).findings
    assert [(f.check, f.layer) for f in found if f.severity != "note"] == [("channels-and-shape", "conv")]


@pytest.mark.parametrize("axis", [[1, 2, 3], [2], [1, 2]], ids=str)
def test_values_and_weights_of_statistics_of_positions(axis):
    x = smooth((6, 5, 2), 1)
    norm = layers.BatchNormalization(axis=axis, name="bn")
    model = stack(layers.Conv2D(3, 2, padding="same"), norm, layers.Flatten(), D(1), shape=(6, 5, 2))
    (finding,) = examine(Context(model, x), ["statistics-of-positions"]).findings
    seen = finding.evidence
    count = norm.moving_mean.numpy().size
    assert seen["statistics"] == count
    assert seen["values_a_row"] * count == 6 * 5 * 3 == 3 * seen["values_a_row_for_a_channel"]
    assert seen["values_a_statistic"] == 30 * seen["values_a_row"]
    assert (seen["weights"], seen["weights_for_channels"]) == (norm.count_params(), 4 * 3)


def test_values_along_a_free_axis_are_not_counted():
    norm = layers.BatchNormalization(axis=[2, 3], name="bn")
    model = stack(layers.Conv2D(3, 2), norm, layers.GlobalMaxPooling2D(), D(1), shape=(None, 5, 2))
    (finding,) = examine(Context(model), ["statistics-of-positions"]).findings
    assert (finding.evidence["statistics"], "values_a_row" in finding.evidence) == (12, False)


@pytest.mark.parametrize(
    "norm",
    [
        layers.LayerNormalization(),
        layers.GroupNormalization(3),
        layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False),
        layers.UnitNormalization(),
        layers.BatchNormalization(),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_normalizations_with_weights_for_channels_are_not_named(norm):
    model = stack(layers.Conv2D(3, 2), norm, layers.Flatten(), D(1), shape=(6, 5, 2))
    assert examine(Context(model), ["statistics-of-positions"]).findings == ()


def test_the_axis_inside_steps_is_counted_from_the_whole_input():
    (finding,) = examine(Context(pictures_in_turn(layers.Conv2D(3, (1, 4)))), ["receptive-field"]).findings
    assert finding.evidence == {"axis": 3, "receptive_field": 4, "positions": 14, "poolings": 1}
