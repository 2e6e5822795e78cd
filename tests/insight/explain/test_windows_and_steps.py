"""Convolutions, recurrent layers and masks in words."""

import numpy as np
import pytest

from foldnet import Input, Model, Sequential, explain, layers
from foldnet.insight.explain.explanation import Code, Formula, Steps, Words
from foldnet.insight.explain.normalization import number
from foldnet.insight.explain.positions import fields_of
from foldnet.insight.sites import sites_of
from tests.insight.insight_networks import fill
from tests.insight.verify.windows_and_steps import NETWORKS


def said(model, layer):
    blocks = explain(model).section(layer).blocks
    return " ".join(b.text for b in blocks if isinstance(b, Words))


def formula(model, layer):
    (found,) = (b for b in explain(model).section(layer).blocks if isinstance(b, Formula))
    return found.prediction


def reached(model, layer):
    """How many positions of the input a middle position of a layer's result depends on, by changing them one by one."""
    part = Model(model.inputs, model.get_layer(layer).output)
    shape = model.inputs[0].shape[1:]
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    before = part.predict(x)[0]
    middle = tuple(n // 2 for n in before.shape[:-1])
    hits = []
    for place in np.ndindex(*shape[:-1]):
        changed = x.copy()
        changed[(0, *place)] += 3
        if not np.array_equal(part.predict(changed)[0][middle], before[middle]):
            hits.append(place)
    return tuple(int(max(k) - min(k)) + 1 for k in zip(*hits, strict=True))


def wide():
    return fill(
        Sequential(
            [
                Input((25, 17, 1)),
                layers.Conv2D(2, (3, 2), name="one"),
                layers.BatchNormalization(),
                layers.Activation("tanh"),
                layers.ZeroPadding2D(1),
                layers.Conv2D(2, 3, dilation_rate=2, name="two"),
                layers.AveragePooling2D(2, name="mean"),
                layers.Conv2D(2, (2, 1), activation="tanh", name="three"),
            ]
        )
    )


@pytest.mark.parametrize("layer", ["one", "two", "mean", "three"])
def test_the_receptive_field_is_what_changes_a_result(layer):
    model = wide()
    sizes = reached(model, layer)
    assert fields_of(sites_of(model))[layer].sizes == sizes
    assert f"depends on {' x '.join(map(str, sizes))} positions" in said(model, layer)


def test_the_field_of_a_sum_is_the_largest_and_ends_where_positions_do():
    x = Input((9, 2))
    long, short = layers.Conv1D(2, 5, padding="same")(x), layers.Conv1D(2, 1)(x)
    y = layers.Conv1D(2, 3, name="after")(layers.Add()([long, short]))
    z = layers.Conv1D(2, 2, name="turned")(layers.Permute((2, 1))(y))
    fields = fields_of(sites_of(Model(x, z)))
    assert fields["after"].sizes == (7,)
    assert "turned" not in fields


@pytest.mark.parametrize(
    ("network", "layer", "words"),
    [
        ("image", "conv", "window 3 x 3, step 2 x 2, padding same: 8 x 8 positions become 4 x 4"),
        ("image", "mean", "y = mean of a window; window 3 x 3, step 2 x 2, padding same: positions beyond the ends do"),
        ("planes", "most", "y = largest value of a window; window 2 x 2, step 1 x 1: 3 x 6 positions become 2 x 5"),
        ("states", "lstm", "i, f, c, o = x @ kernel + h @ recurrent_kernel + bias"),
        ("states", "lstm", "h = hard_sigmoid(o) × tanh(carry)"),
        ("states", "both", "y = both side by side, of two layers"),
        ("states", "both", "the second are turned round"),
        ("states", "both", "6 steps from the last to the first"),
        ("states", "both", "r × (h @ recurrent_kernel + bias)"),
        ("tokens", "first", "(r × h) @ recurrent_kernel + bias)"),
        ("tokens", "back", "h = tanh(x @ kernel + h @ recurrent_kernel + bias). It goes through 5 steps from the last"),
        ("tokens", "last", "starting from zeros (states of 3 numbers); y is h after the last of these"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_layer(network, layer, words):
    assert words in formula(NETWORKS[network](), layer)


def test_where_masks_come_from_and_go():
    model = NETWORKS["states"]()
    assert "It is used by 'lstm', 'both', 'mean'." in said(model, "masking")
    assert "the mask of 'masking' says; passes it on." in said(model, "lstm")
    assert "the mask of 'masking' says; its result has none." in said(model, "mean")
    lost = Sequential(
        [
            Input((5,)),
            layers.Embedding(9, 3, mask_zero=True, name="table"),
            layers.Conv1D(2, 2, name="conv"),
            layers.LSTM(2, name="lstm"),
        ]
    )
    assert "No layer uses it." in said(lost, "table")
    assert "The mask of 'table' ends here" in said(lost, "conv")
    assert "mask" not in said(lost, "lstm").replace("zero_output_for_mask", "")


def test_the_axis_picture_of_both_formats_and_of_volumes():
    for network, layer, axes in (
        ("image", "bn", "(0, 1, 2)"),
        ("planes", "bn", "(0, 2, 3)"),
        ("signal", "bn", "(0, 1)"),
        ("volume", "bn", "(0, 1, 2, 3)"),
    ):
        assert f"x.mean(axis={axes}" in str(explain(NETWORKS[network](), layer=layer)), network


def test_what_is_inside_time_distributed():
    inside = Input((4,), name="in")
    step = Model(
        inside, layers.BatchNormalization(name="bn")(layers.Dense(3, name="dense")(inside)), name="step"
    )
    fill(step)
    stack = [
        layers.TimeDistributed(layers.BatchNormalization(), name="norm"),
        layers.TimeDistributed(step, name="net"),
    ]
    model = fill(Sequential([Input((5, 4)), *stack, layers.GlobalAveragePooling1D()]))
    norm, net = (
        next(b for b in explain(model).section(name).blocks if isinstance(b, Formula))
        for name in ("norm", "net")
    )
    assert norm.training.startswith(
        "at each of 5 steps, with statistics of each step alone: y = (x − batch mean)"
    )
    assert norm.prediction.startswith("at each of 5 steps: y = (x − moving_mean)")
    assert net.prediction == "at each of 5 steps, the network 'step': dense → bn"
    assert net.training == f"{net.prediction}, as in training"
    assert "27 parameters, those of the layers in it." in said(model, "net")

    (program,) = explain(model).ending
    lines = program.lines
    names = {"model": model}
    exec("\n".join(lines), names)
    x = np.random.default_rng(1).normal(size=(6, 5, 4))
    np.testing.assert_allclose(names["predict"](x), model.predict(x), rtol=1e-5, atol=1e-6)


def test_statistics_without_masked_steps(tmp_path):
    """Text, code and numbers of a normalization whose input has a mask."""
    x = np.random.default_rng(3).normal(2, 3, (7, 5, 3)).astype(np.float32)
    counts = np.arange(5) < np.random.default_rng(4).integers(1, 6, (7, 1))
    x[~counts] = 0.0
    stack = [layers.Masking(0.0), layers.BatchNormalization(name="bn"), layers.LSTM(2)]
    model = fill(Sequential([Input((5, 3)), *stack]))
    bn = model.get_layer("bn")
    found = explain(model, x, layer="bn", channel=1).section("bn").blocks
    (code,) = (b for b in found if isinstance(b, Code) and "x.mean" in b.lines[0])
    names = {"np": np, "x": x.astype(np.float64), "mask": counts, "gamma": bn.gamma, "beta": bn.beta}
    exec("\n".join(code.lines), names)
    np.testing.assert_allclose(names["mean"], x[counts].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(names["variance"], x[counts].var(axis=0), rtol=1e-5)
    assert "positions that are masked do not count" in said(model, "bn")
    mean, variance = x[counts].astype(np.float64)[:, 1].mean(), x[counts].astype(np.float64)[:, 1].var()
    exact = f"mean {number(mean)}, variance {number(variance)}"
    training = next(b for b in found if isinstance(b, Steps) and b.title.startswith("In training"))
    assert training.steps[0][1] == exact
    page = explain(model, x, channel=1).to_html(tmp_path / "x.html").read_text()
    assert exact in page
    assert "where=mask[..., None]" in page
    unmasked = fill(Sequential([Input((5, 3)), layers.BatchNormalization(name="bn")]))
    assert "mask" not in said(unmasked, "bn")
