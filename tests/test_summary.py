"""summary: Keras's counts, Keras's totals, and lines that fit."""

import inspect
import os
import re

import pytest

from foldnet import Model, Sequential, layers
from foldnet.errors import ConfigError
from foldnet.summary import readable_size, summary_text

os.environ.setdefault("KERAS_BACKEND", "jax")


def q2(module):
    lay = module.layers
    return module.Sequential(
        [
            module.Input((11,)),
            lay.Dense(10, activation="relu", name="a"),
            lay.Dropout(0.3, name="drop"),
            lay.BatchNormalization(name="bn"),
            lay.Dense(8, name="b"),
            lay.BatchNormalization(scale=False, name="bn_2"),
            lay.Dense(1, name="out"),
        ],
        name="q2",
    )


def branches(module):
    lay = module.layers
    a, b = module.Input((4,), name="a"), module.Input((4,), name="b")
    shared = lay.Dense(4, name="shared")
    inner = module.Sequential(
        [module.Input((4,)), lay.Dense(3, name="deep"), lay.BatchNormalization(name="bn", trainable=False)],
        name="inner",
    )
    left, right = shared(a), inner(shared(b))
    last = lay.Dense(1, name="a_layer_with_quite_a_long_name_to_fit_into_the_table")
    last.trainable = False
    return module.Model([a, b], [last(right), left], name="branches")


def wide(module):
    return module.Sequential(
        [module.Input((300,)), module.layers.Dense(1000, name="one"), module.layers.Dense(1000, name="two")],
        name="wide",
    )


class Foldnet:
    layers, Input, Sequential, Model = layers, staticmethod(layers.Input), Sequential, Model


NETWORKS = {"q2": q2, "branches": branches, "wide": wide}


def totals(text):
    return re.findall(r"(\S+) params: (\S+ \(.*?\))", text)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_totals_are_those_that_keras_prints(make):
    keras = pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")
    said = []
    live = make(keras)
    live.summary(print_fn=said.append)
    text = summary_text(make(Foldnet))
    assert totals(text) == totals("\n".join(said))
    starts = [line.split()[0] for line in text.splitlines()[4:] if line[:1] not in " ─━└"]
    names = iter(starts)
    for layer in live.layers:
        assert any(layer.name.startswith(n) for n in names), f"{layer.name} is missing or out of order"


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_counts_of_each_layer_are_keras_s(make):
    keras = pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")
    from foldnet.summary import counts

    for live, ours in zip(make(keras).layers, make(Foldnet).layers, strict=True):
        size = [
            sum(
                int(w.shape.num_elements() if hasattr(w.shape, "num_elements") else w.numpy().size)
                for w in ws
            )
            for ws in (live.trainable_weights, live.non_trainable_weights)
        ]
        assert list(counts(ours)) == size, live.name


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("line_length", [60, 80, 100])
def test_it_fits_the_line(make, line_length):
    lines = summary_text(make(Foldnet), line_length).splitlines()
    assert max(map(len, lines)) <= line_length


def test_the_table_of_the_second_question():
    printed = []
    q2(Foldnet).summary(print_fn=printed.append)
    (text,) = printed
    assert re.search(r"bn \(BatchNormalization\) +\(None, 10\) +40 +20 +20$", text, re.M)
    assert re.search(r"bn_2 \(BatchNormalization\) +\(None, 8\) +24 +8 +16$", text, re.M)
    assert re.search(r"drop \(Dropout\) +\(None, 10\) +0 +0 +0$", text, re.M)
    joined = " ".join(text.split())
    assert (
        "bn (1 more likewise) has 4 vectors of 10: gamma and beta are trained; moving_mean and moving_variance"
        in joined
    )
    assert "So 4 × 10 = 40 parameters, 20 not trainable." in joined


def test_frozen_and_reduced_normalizations():
    frozen = Sequential(
        [layers.Input((5,)), layers.BatchNormalization(trainable=False, scale=False, name="bn")]
    )
    joined = " ".join(summary_text(frozen).split())
    assert "bn has 3 vectors of 5: beta would be trained, but the layer is frozen" in joined
    assert "So 3 × 5 = 15 parameters, 15 not trainable." in joined
    bare = Sequential([layers.Input((5,)), layers.BatchNormalization(center=False, scale=False, name="bn")])
    assert "bn has 2 vectors of 5: moving_mean and moving_variance are not" in " ".join(
        summary_text(bare).split()
    )


def test_nested_and_connected():
    text = summary_text(branches(Foldnet), 120)
    assert re.search(r"shared \(Dense\) .* a\[0\]\[0\], b\[0\]\[0\]$", text, re.M)
    assert re.search(r"inner \(Sequential\) .* 27 +15 +12 +shared\[1\]\[0\]$", text, re.M)
    assert re.search(r"^└ deep \(Dense\) .*15", text, re.M)
    assert "bn has 4 vectors of 3" in text  # found inside the nested network


def test_without_shapes():
    assert "not built yet" in summary_text(Sequential([layers.Dense(3)]))


def test_sizes():
    assert [readable_size(n) for n in (0, 1023, 1024, 1024**2)] == [
        "0.00 B",
        "1023.00 B",
        "1.00 KB",
        "1.00 MB",
    ]


def shown(text, network):
    """Which layers of a network have a row; their names are not parts of one another."""
    table = text[: text.index("Total params")]
    return [layer.name for layer in network.layers if re.search(rf"^{layer.name}\b", table, re.M)]


def test_arguments_are_keras_s_but_for_nested_networks():
    keras = pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")
    ours, theirs = (inspect.signature(cls.summary).parameters for cls in (Model, keras.Model))
    assert list(ours) == list(theirs)
    unlike = {name for name in ours if ours[name].default != theirs[name].default}
    assert unlike == {"expand_nested"}  # so that no weight is out of sight


@pytest.mark.parametrize("names", [("drop", "bn_2"), ("b", "b"), ("o", "a"), ("bn$", "out")])
def test_a_range_of_layers_is_keras_s(names):
    keras = pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")
    live, ours, said = q2(keras), q2(Foldnet), []
    live.summary(layer_range=names, print_fn=said.append)
    table = "\n".join(line.strip("│┃ ") for line in said[0].splitlines())
    text = summary_text(ours, layer_range=names)
    assert shown(text, ours) == shown(table, ours) != []
    assert totals(text) == totals(said[0])


@pytest.mark.parametrize("names", [("a",), ("nothing", "out"), (1, 2)])
def test_a_range_without_layers(names):
    with pytest.raises(ConfigError, match="layer_range"):
        summary_text(q2(Foldnet), layer_range=names)


def test_trainable_and_nested_networks():
    model = branches(Foldnet)
    text = summary_text(model, 120, show_trainable=True, expand_nested=False)
    assert "└" not in text
    assert totals(text) == totals(summary_text(model))
    assert re.search(r"^shared \(Dense\).* Y$", text, re.M)
    assert re.search(r"^a \(InputLayer\).* -$", text, re.M)
    assert re.search(r"^a_layer_with.* N$", text, re.M)


def test_no_word_is_broken_while_there_is_room():
    x = layers.Input((8,), name="measurements")
    y = layers.BatchNormalization(name="norm")(x)
    model = Model(x, layers.Concatenate(name="concatenated")([y, layers.Dense(8, name="left")(y)]))
    text = summary_text(model)
    assert "(BatchNormalization)" in text
    assert "measurements[0][0]" in text
    assert max(map(len, text.splitlines())) <= 80
