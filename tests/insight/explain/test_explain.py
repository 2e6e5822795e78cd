"""explain: what it says of axes, shapes, counts and numbers is what NumPy computes."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import Model, Sequential, freeze, layers, ops
from foldnet.errors import InputError
from foldnet.insight.explain import explain
from foldnet.insight.explain.explanation import Code, Formula, Steps, Table
from foldnet.layers import LAYERS
from foldnet.structure import flatten
from tests.insight.insight_networks import STACKS, fill, images, iris, q2
from tests.support.image_changes import IMAGE_CHANGES, ROW

TABLE = np.array([[1, 10, 100, 1000], [2, 20, 200, 2000], [3, 30, 300, 3000]], np.float32)


def flat(explanation):
    return " ".join(str(explanation).split())


def one(shape, name="bn", **settings):
    return fill(Sequential([layers.Input(shape), layers.BatchNormalization(name=name, **settings)]))


def blocks(explanation, kind, name="bn"):
    return [b for b in explanation.section(name).blocks if isinstance(b, kind)]


def values(explanation, name="bn"):
    """What each of the followed steps gives: a list a block, first mean and variance."""
    return [[result.replace("−", "-") for _, result in b.steps] for b in blocks(explanation, Steps, name)]


class TestFirstQuestion:
    """Which axes does BatchNormalization normalize?"""

    @pytest.mark.parametrize("axis", [1, -1])
    def test_axis_1_of_a_table_is_numpy_s_axis_0(self, axis):
        said = explain(one((4,), axis=axis), TABLE, row=2)
        text = flat(said)
        assert f"axis={axis} names the axes that KEEP separate statistics: axis 1 (size 4)" in text
        assert "taken over all the rest: axis 0 (the rows of the batch)" in text
        assert "complement of NumPy's axis" in text
        assert "StandardScaler" in text
        (code, _) = blocks(said, Code)
        assert code.lines[0] == "mean = x.mean(axis=(0,))"

    @pytest.mark.parametrize("channel", range(4))
    def test_numbers_on_the_table(self, channel):
        model = one((4,))
        training, prediction = values(explain(model, TABLE, row=2, channel=channel))
        column = TABLE[:, channel].astype(float)
        assert training[0] == f"mean {column.mean():.4g}, variance {column.var():.4g}"
        layer = model.get_layer("bn")
        normal = (column[2] - column.mean()) / np.sqrt(column.var() + 1e-3)
        expected = [column[2] - column.mean(), normal, normal * layer.gamma[channel]]
        expected.append(expected[-1] + layer.beta[channel])
        assert training[1:] == [f"{v:.4g}" for v in expected]
        assert prediction[-1] == f"{freeze(model, fold=False, engine='reference')(TABLE)[2, channel]:.4g}"

    def test_the_numbers_are_standard_scaler_s(self):
        preprocessing = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is a dev extra")
        scaler = preprocessing.StandardScaler().fit(TABLE)
        for channel in range(4):
            training, _ = values(explain(one((4,)), TABLE, channel=channel))
            assert training[0] == f"mean {scaler.mean_[channel]:.4g}, variance {scaler.var_[channel]:.4g}"

    @pytest.mark.parametrize("shape", [(4, 5, 3), (3, 4, 5)])
    def test_a_list_of_axes_reduces_the_batch_alone(self, shape):
        said = explain(one(shape, axis=[1, 2, 3]))
        assert "all the rest: axis 0 (the rows of the batch)." in flat(said)
        assert f"They have shape {(1, *shape)}" in flat(said)
        assert blocks(said, Code)[0].lines[0] == "mean = x.mean(axis=(0,), keepdims=True)"
        assert "Only the batch is averaged over" in flat(said)
        # Each channel has many means here, so no sentence may give it one.
        assert "60 means and 60 variances, one of each a place of the axes that are kept" in flat(said)
        assert "60 numbers in each: 4 × 60 = 240 parameters" in flat(said)
        assert "of a channel" not in flat(said)

    @pytest.mark.parametrize(
        ("axis", "reduced", "layout"),
        [
            (-1, "(0, 1, 2)", "channels last"),
            (3, "(0, 1, 2)", "channels last"),
            (1, "(0, 2, 3)", "channels first"),
        ],
    )
    def test_the_convolutional_recipe_in_both_layouts(self, axis, reduced, layout):
        said = explain(one((4, 5, 3), axis=axis))
        assert f"With {layout} this is the convolutional recipe" in flat(said)
        assert f"x.mean(axis={reduced}" in flat(said)

    @pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
    @pytest.mark.parametrize("after", [False, True])
    def test_the_layers_around_say_where_the_channels_are(self, data_format, after):
        """Also if an activation stands between, and if the convolution comes later."""
        right, wrong = (3, 1) if data_format == "channels_last" else (1, 3)
        for axis in (right, wrong, 2):
            stack = [
                layers.Conv2D(5, 1, data_format=data_format, name="conv"),
                layers.Activation("relu"),
                layers.BatchNormalization(axis=axis, name="bn"),
            ]
            model = Sequential([layers.Input((4, 5, 6)), *(stack[::-1] if after else stack)])
            said = flat(explain(model, layer="bn"))
            assert f"the layers around it have their channels on axis {right} ({data_format})" in said
            assert ("one of each a channel" in said) == (axis == right)
            assert ("This is the convolutional recipe" in said) == (axis == right)
            assert (f"one of each a position on axis {axis}" in said) == (axis != right)
            assert (f"axis={1 if right == 1 else -1} keeps those of the channels" in said) == (axis != right)
            assert (
                "is the convolutional recipe: a channel" not in said
            )  # what is said where the layout is unknown

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_the_numpy_lines_give_what_training_computes(self, data):
        """Run the lines that explain prints: training's steps have the same numbers."""
        rank = data.draw(st.integers(2, 5))
        shape = tuple(data.draw(st.integers(1, 3)) for _ in range(rank - 1))
        axes = sorted(data.draw(st.sets(st.integers(1, rank - 1), min_size=1)))
        axis = axes if len(axes) > 1 or data.draw(st.booleans()) else axes[0]
        model = one(shape, axis=axis)
        layer = model.get_layer("bn")
        channel = data.draw(st.integers(0, layer.gamma.size - 1))
        x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(3, 2, (4, *shape))
        said = explain(model, x, row=1, channel=channel)
        spread = [n if a in axes else 1 for a, n in enumerate((1, *shape))]
        scope = {
            "x": x.astype(np.float32).astype(float),
            "np": np,
            "gamma": layer.gamma.reshape(spread),
            "beta": layer.beta.reshape(spread),
        }
        exec("\n".join(blocks(said, Code)[0].lines), scope)
        place = dict(zip(axes, np.unravel_index(channel, [shape[a - 1] for a in axes]), strict=True))
        index = (1, *(int(place.get(a, 0)) for a in range(1, rank)))
        training, prediction = values(said)
        assert float(training[-1]) == pytest.approx(scope["y"][index], rel=2e-3, abs=1e-3)
        right = freeze(model, fold=False, engine="reference")(x)[index]
        assert float(prediction[-1]) == pytest.approx(right, rel=2e-3, abs=1e-3)


class TestSecondQuestion:
    """What must a hand-written prediction function contain?"""

    def test_weights_by_name_and_which_are_trained(self):
        said = explain(iris())
        (table,) = blocks(said, Table)
        assert [(r[0], r[1], r[2]) for r in table.rows] == [
            ("gamma", "(4,)", "trained"),
            ("beta", "(4,)", "trained"),
            ("moving_mean", "(4,)", "not trained"),
            ("moving_variance", "(4,)", "not trained"),
        ]
        assert "4 × 4 = 16 parameters, 8 trained" in flat(said)

    def test_dropout_is_nothing_at_prediction_and_the_root_is_there(self):
        said = explain(
            Sequential(
                [layers.Input((3,)), layers.Dropout(0.3, name="d"), layers.BatchNormalization(name="bn")]
            )
        )
        (dropout,) = blocks(said, Formula, "d")
        assert dropout.prediction.startswith("y = x:")
        assert "1 − 0.3" in dropout.training
        (norm,) = blocks(said, Formula)
        assert norm.prediction == "y = (x − moving_mean) / sqrt(moving_variance + 0.001) × gamma + beta"
        assert "batch mean" in norm.training
        assert "epsilon = 0.001 is added to the variance inside the root" in flat(said)

    def test_a_row_alone_gives_the_same(self):
        assert "a row gives the same result alone or among a million" in flat(explain(iris()))

    @pytest.mark.parametrize("momentum", [0.99, 0.9, 0.5])
    def test_the_update_rule(self, momentum):
        said = explain(one((2,), momentum=momentum))
        scope = {"moving_mean": 5.0, "batch_mean": 3.0, "moving_variance": 2.0, "batch_variance": 7.0}
        exec("\n".join(blocks(said, Code)[1].lines), scope)
        assert scope["moving_mean"] == pytest.approx(5 * momentum + 3 * (1 - momentum))
        assert scope["moving_variance"] == pytest.approx(2 * momentum + 7 * (1 - momentum))
        assert f"{momentum**10:.0%} after 10" in flat(said)

    def test_scale_center_trainable(self):
        bare = flat(explain(one((5,), scale=False, center=False)))
        assert (
            "2 × 5 = 10 parameters, 0 trained. scale=False and center=False: there is no gamma and no beta."
            in bare
        )
        assert "y = (x − moving_mean) / sqrt(moving_variance + 0.001)" in bare
        assert "× gamma" not in bare
        assert "× gamma" in flat(explain(one((5,), center=False)))
        frozen = explain(one((5,), trainable=False), np.ones((2, 5)))
        assert "since the layer is frozen" in flat(frozen)
        assert "does not update them" in flat(frozen)
        assert len(blocks(frozen, Steps)) == 1  # the batch's statistics play no part

    def test_a_layer_that_cannot_predict_is_still_explained(self):
        model = one((2,))
        model.get_layer("bn").set_weight("moving_variance", [-1, 1])
        assert "has no root" in flat(explain(model))


@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_the_width(make, width):
    said = explain(make())
    code = {f"    {line}" for block in said.ending for line in getattr(block, "lines", ())}
    lines = [line for line in said.text(width).splitlines() if line not in code]  # which must not be broken
    assert max(map(len, lines)) <= width
    assert max(map(len, code)) <= 84


def test_every_layer_has_its_section_and_its_shapes():
    said = explain(q2())
    kinds = [s.kind for s in said.sections]
    assert kinds.count("Dropout") == 3
    assert said.sections[1].input_shape == "(rows, 11)"
    assert said.sections[1].output_shape == "(rows, 10)"
    assert "kernel(11, 10)" in said.sections[1].blocks[0].prediction
    assert "11 layers" in said.title
    full = [s.name for s in said.sections if any(isinstance(b, Table) for b in s.blocks)]
    assert len(full) == 1  # the first normalization in full, the others in brief
    second = [s.name for s in said.sections if s.kind == "BatchNormalization"][1]
    assert f"explain(model, layer='{second}')" in str(said)
    assert said.sections[0].kind == "InputLayer"


ARGUMENTS = {
    "Activation": ("relu",),
    "AlphaDropout": (0.2,),
    "Dense": (3,),
    "GroupQueryAttention": (4, 4, 2),
    "MultiHeadAttention": (2, 3),
    "Dropout": (0.2,),
    "EinsumDense": ("abc,cd->abd", (2, 4)),
    "Embedding": (9, 2),
    "ReversibleEmbedding": (9, 2),
    "SpectralNormalization": (layers.Dense(2),),
    "GaussianDropout": (0.2,),
    "GaussianNoise": (0.5,),
    "RepeatVector": (2,),
    "Rescaling": (2.0,),
    "SpatialDropout1D": (0.2,),
    "SpatialDropout2D": (0.2,),
    "SpatialDropout3D": (0.2,),
    "Permute": ((2, 1),),
    "Reshape": ((6,),),
    "Dot": (1,),
    "GroupNormalization": (1,),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell"), (3,)),
    "RNN": (layers.LSTMCell(3),),
    "StackedRNNCells": ([layers.LSTMCell(3)],),
    "Bidirectional": (layers.GRU(3),),
    "TimeDistributed": (layers.Dense(3),),
    **{f"AveragePooling{d}D": (2,) for d in (1, 2, 3)},
    **{n: (2,) for n in LAYERS if n.startswith("Adaptive")},
    "Resizing": (2, 3),
    **{n: tuple(settings.values()) for n, settings in IMAGE_CHANGES.items()},
    "CenterCrop": (2, 3),
    "CategoryEncoding": (4,),
    "Discretization": ([0.5, 1.5],),
    "Hashing": (5,),
    "IntegerLookup": (None, 1, None, -1, [3, 4]),
    "StringLookup": (None, 1, None, "[UNK]", ["b", "a"]),
    **{n: (2,) if "Depth" in n else (3, 2) for n in LAYERS if "Conv" in n},
}
SHAPES = {"SpatialDropout2D": (2, 3, 3), "SpatialDropout3D": (2, 2, 3, 3), "RepeatVector": (3,), "Dot": (3,)}
SHAPES |= dict.fromkeys([*IMAGE_CHANGES, "AutoContrast"], ROW)
SHAPES |= {n: (3, 3, 4, 3)[: LAYERS[n].dims + 1] for n in LAYERS if hasattr(LAYERS[n], "dims")}
SHAPES |= {n: (3,) for n in LAYERS if n.endswith(("Cell", "Cells"))} | {"TimeDistributed": (2, 3)}
SEVERAL = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}
SEVERAL |= {"AdditiveAttention", "Attention"}
SEPARATE = {"GroupQueryAttention", "MultiHeadAttention"}
"""Those called on several tensors that are no list."""


@pytest.mark.parametrize("kind", sorted(set(LAYERS) - {"InputLayer"}))
def test_every_kind_of_layer_is_explained(kind):
    shape = SHAPES.get(kind, (2, 3))
    layer = LAYERS[kind](*ARGUMENTS.get(kind, ()), name="it")
    inputs = [layers.Input(shape) for _ in range(2 if kind in SEVERAL | SEPARATE else 1)]
    model = Model(inputs, flatten(layer(inputs) if kind in SEVERAL else layer(*inputs))[0])
    said = explain(model, layer="it")
    (formula,) = blocks(said, Formula, "it")
    assert len(formula.training) > 2
    assert max(map(len, str(said).splitlines())) <= 80
    random_in_training = (
        kind in IMAGE_CHANGES or "Dropout" in kind or "Noise" in kind or kind == "BatchNormalization"
    )
    assert (formula.training != formula.prediction) == random_in_training


def test_attention_in_words():
    x, y = layers.Input((5, 8)), layers.Input((7, 8))
    heads = layers.MultiHeadAttention(
        2, 3, value_dim=4, dropout=0.1, sliding_window=3, use_gate=True, name="heads"
    )
    groups = layers.GroupQueryAttention(3, 4, 2, name="groups")
    model = Model(
        [x, y], [heads(x, y), groups(x, y), layers.Attention(score_mode="concat", name="plain")([x, y])]
    )
    said = explain(model)
    (of_heads,), (of_groups,), (plain,) = (blocks(said, Formula, n) for n in ("heads", "groups", "plain"))
    assert of_heads.prediction == (
        "scores = softmax(query @ key.T / sqrt(3)); y = (scores @ value × gate) @ attention_output; 2 heads with keys "
        "of 3 and values of 4 numbers; each of 5 positions of the query attends to 7 positions of the values; only "
        "positions less than 3 apart"
    )
    assert "0.1 of which are dropped" in of_heads.training
    assert "4 heads" in of_groups.prediction
    assert "2 of which share one head of key and value" in of_groups.prediction
    assert plain.prediction.startswith("scores = softmax(concat_score_weight × sum of tanh(query + key))")


def test_one_layer_alone_and_nested_paths():
    layer = layers.BatchNormalization(name="bn")
    x = layers.Input((4,))
    inner = Model(x, layer(x), name="inner")
    y = layers.Input((4,))
    outer = Model(y, inner(layers.Dense(4, name="d")(y)), name="outer")
    calls = len(layer.calls)
    alone = explain(layer, TABLE)
    assert alone.section("bn").blocks == explain(inner, TABLE, "bn").section("bn").blocks
    assert len(layer.calls) == calls
    assert "inner/bn" in [s.name for s in explain(outer).sections]
    assert explain(outer, TABLE, "inner/bn").section("inner/bn").kind == "BatchNormalization"


def test_it_stores():
    stored = json.loads(json.dumps(explain(iris(), TABLE).to_dict()))
    types = [b["type"] for b in stored["sections"][1]["blocks"]]
    assert types[0] == "formula"
    assert types.count("steps") == 2
    assert re.search(r"\d", stored["title"])


def test_errors():
    with pytest.raises(InputError, match="has no layer 'none'"):
        explain(iris(), layer="none")
    with pytest.raises(InputError, match="row=9"):
        explain(iris(), TABLE, row=9)
    with pytest.raises(InputError, match="channel=4"):
        explain(iris(), TABLE, channel=4)
    with pytest.raises(InputError, match="takes rows of shape"):
        explain(iris(), TABLE[:, :2])
    with pytest.raises(InputError, match="no shapes yet"):
        explain(Sequential([layers.Dense(2)]))
    with pytest.raises(InputError, match="not been called yet"):
        explain(layers.Dense(2))
    with pytest.raises(InputError, match="not a int"):
        explain(3)
    with pytest.raises(KeyError, match="not explained"):
        explain(images()).section("none")


class TestOperations:
    """What stands between layers is said as it was written."""

    @pytest.mark.parametrize(
        ("made", "said"),
        [
            (lambda x: 2 * x, "y = 2 * x"),
            (lambda x: x / np.arange(1.0, 4.0), "y = x / array(3,)"),
            (lambda x: x * x, "y = x * x"),
            (lambda x: x[:, 0:2], "y = x[:, 0:2]"),
            (lambda x: x[..., ::2], "y = x[..., ::2]"),
            (lambda x: ops.clip(x, 0, 1), "y = ops.clip(x, x_min=0, x_max=1)"),
            (
                lambda x: ops.concatenate([x, layers.Dense(2)(x)], axis=-1),
                "y = ops.concatenate([x1, x2], axis=-1)",
            ),
        ],
    )
    def test_formula(self, made, said):
        x = layers.Input((3,))
        section = explain(Model(x, made(x))).sections[-1]
        assert section.kind.startswith("ops.")
        assert blocks_of(section, Formula)[0].training == said
        assert "settings" not in str(section.blocks)


def blocks_of(section, kind):
    return [b for b in section.blocks if isinstance(b, kind)]
