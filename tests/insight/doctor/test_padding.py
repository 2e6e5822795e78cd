"""Padding of sequences: how it is recognized, and what it costs, against networks called at other lengths."""

import numpy as np
import pytest

from foldnet import Model, doctor, layers
from foldnet.insight.doctor.checks.padding import padding_of
from foldnet.insight.doctor.run import examine
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_networks import D, rows
from tests.insight.doctor.doctor_windows import (
    flat_at_the_end,
    followed,
    letters,
    pictures,
    read,
    sequences,
    signals,
    texts,
)


@pytest.mark.parametrize("at_end", [True, False])
def test_lengths_and_value(at_end):
    x = texts(at_end=at_end, code=40)
    found = padding_of(x)
    assert (found.at_end, found.value.tolist()) == (at_end, 40)
    # A word 40 does not occur, so lengths are counts of other codes.
    np.testing.assert_array_equal(found.lengths, (x != 40).sum(axis=1))
    np.testing.assert_array_equal(found.padded, (x != 40).sum(axis=1) < 23)
    steps = padding_of(signals(7.0, at_end=at_end))
    assert (steps.at_end, steps.value.tolist()) == (at_end, [7, 7, 7])


def test_a_row_of_padding_alone_is_not_padded():
    x = texts()
    x[3] = 0
    found = padding_of(x)
    assert (found.lengths[3], found.padded[3]) == (0, False)


@pytest.mark.parametrize(
    "x",
    [
        sequences(),
        flat_at_the_end(0.1),
        pictures(),
        pictures().transpose(0, 2, 1),
        letters(),
        texts(shortest=24),
        texts(10),
        texts(steps=3),
        np.zeros((50, 12, 2)),
        np.full((50, 12), np.nan),
        np.pad(sequences(), ((0, 0), (0, 6), (0, 0))),  # all of one length
        np.repeat(sequences(), 2, axis=1),
        rows(),
        np.ones((40, 5, 5, 3)),
    ],
    ids=lambda x: "x".join(map(str, x.shape)),
)
def test_what_is_no_padding(x):
    assert padding_of(x) is None


@pytest.mark.parametrize("fixed", [True, False])
def test_the_change_is_that_of_the_network_at_other_lengths(fixed):
    x = texts(30)
    context = read(x, layers.Bidirectional(layers.LSTM(4)), length=24 if fixed else None)
    calls = [len(layer.calls) for layer in context.network.layers]
    weights = [w.copy() for w in context.network.get_weights()]
    (finding,) = examine(context, ["padding-without-mask"]).findings
    assert [len(layer.calls) for layer in context.network.layers] == calls
    assert all((a == b).all() for a, b in zip(weights, context.network.get_weights(), strict=True))
    seen = finding.evidence
    assert (finding.layer, seen["steps"], seen["steps_added"]) == (context.network.layers[1].name, 24, 6)
    before = context.network.predict(x, verbose=0)
    y = given = layers.Input((None,))
    for layer in context.network.layers:
        y = layer(y)
    free = Model(given, y)
    padded = np.flatnonzero((x != 0).sum(axis=1) < 23)
    longer = free.predict(np.pad(x, ((0, 0), (0, 6))), verbose=0)
    change = np.sqrt(np.mean((longer - before)[padded] ** 2)) / before.std()
    assert seen["change_if_longer"] == pytest.approx(change, rel=1e-3)
    lengths = (x != 0).sum(axis=1)[padded]
    short = padded[lengths <= np.median(lengths)]
    assert seen["steps_left"] == (x != 0).sum(axis=1)[short].max()
    cut = free.predict(x[short, : seen["steps_left"]], verbose=0)
    change = np.sqrt(np.mean((cut - before[short]) ** 2)) / before.std()
    assert seen["change_if_cut"] == pytest.approx(change, rel=1e-3)


@pytest.mark.parametrize("at_end", [True, False])
def test_results_of_steps_are_compared_where_there_is_no_padding(at_end):
    x = signals(3.0, at_end=at_end)
    context = followed(x, D(4, activation="tanh"), layers.AveragePooling1D(1))
    assert examine(context, ["padding-without-mask"]).findings == ()
    both = followed(x, layers.Bidirectional(layers.LSTM(6, return_sequences=True)))
    (finding,) = examine(both, ["padding-without-mask"]).findings
    before = both.network.predict(x, verbose=0)
    real = (x != 3).any(axis=-1)
    padded = np.flatnonzero(real.sum(axis=1) < 23)[
        np.linspace(0, (real.sum(axis=1) < 23).sum() - 1, 48).round().astype(int)
    ]
    y = given = layers.Input((None, 3))
    for layer in both.network.layers:
        y = layer(y)
    more = np.pad(x, ((0, 0), (0, 6) if at_end else (6, 0), (0, 0)), constant_values=3)
    after = (
        Model(given, y).predict(more, verbose=0)[:, :24]
        if at_end
        else Model(given, y).predict(more, verbose=0)[:, 6:]
    )
    change = np.sqrt(np.mean((after - before)[padded][real[padded]] ** 2)) / before.std(axis=0).max()
    assert finding.evidence["change_if_longer"] == pytest.approx(change, rel=1e-3)
    assert change > 0.001


def test_of_several_inputs_each_is_looked_at():
    words, numbers = layers.Input((24,), name="words"), layers.Input((5,), name="numbers")
    y = layers.LSTM(4, name="lstm")(layers.Embedding(41, 3)(words))
    set_random_seed(0)
    model = Model([words, numbers], D(1)(layers.Concatenate()([y, numbers])))
    report = doctor(model, [texts(), rows(120) / 50], checks=["padding-without-mask"])
    assert [f.layer for f in report.findings] == ["lstm"]
    assert "'words'" in report.findings[0].message
