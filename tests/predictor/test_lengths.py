"""Networks with free axes: one piece of compiled code for all lengths, with the bits of code for each."""

import threading
import time

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers, ops
from foldnet.codegen.size_names import lengths_of as depends_on
from foldnet.engines.native.prediction import known, program, source
from foldnet.engines.native.prediction.source import LONGEST
from foldnet.errors import InputError
from foldnet.graph.graph import bind
from foldnet.graph.sizes import long_lengths
from foldnet.recent_cache import RecentCache
from tests.insight.insight_networks import fill


def sequence(*stack):
    return Sequential([Input((None, 6)), *stack])


def two_inputs(joined):
    a, b = Input((None, 4), name="a"), Input((None, 4), name="b")
    x, y = layers.Conv1D(8, 3, padding="same")(a), layers.Dense(8)(b)
    return Model([a, b], layers.GlobalMaxPooling1D()(joined(x, y)))


def attention():
    x = Input((None, 16))
    y = layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
    return Model(x, layers.LayerNormalization()(layers.Add()([x, y])))


def tokens():
    x = Input((None,), dtype="int32")
    y = layers.Embedding(9, 5, mask_zero=True)(x)
    return Model(x, [layers.Bidirectional(layers.GRU(4))(y), layers.GlobalAveragePooling1D()(y)])


def image(**settings):
    return Sequential(
        [
            Input((None, None, 3)),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", **settings),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.Conv2D(5, 1),
            layers.UpSampling2D(2),
        ]
    )


def sliced():
    x = Input((None, 6))
    return Model(x, ops.flip(layers.Dense(4)(x)[:, 1::2], 1))


def pictures(*stack):
    return Sequential([Input((None, None, 3)), *stack])


NETWORKS = {
    "same": lambda: sequence(
        layers.Conv1D(20, 5, strides=3, padding="same"), layers.Dense(3, activation="softmax")
    ),
    "small stride": lambda: sequence(
        layers.Conv1D(3, 2, strides=4, padding="same"), layers.MaxPooling1D(2, 3, "same")
    ),
    "causal": lambda: sequence(layers.Conv1D(17, 3, dilation_rate=2, padding="causal"), layers.LSTM(5)),
    "valid": lambda: sequence(
        layers.Conv1D(4, 3), layers.MaxPooling1D(2), layers.Conv1D(4, 2), layers.Flatten()
    ),
    "cropped": lambda: sequence(
        layers.Conv1D(4, 3, padding="same"), layers.Cropping1D((2, 3)), layers.Dense(2)
    ),
    "transposed": lambda: sequence(
        layers.Conv1DTranspose(4, 3, strides=2, padding="same"), layers.ZeroPadding1D(2)
    ),
    "reshaped": lambda: sequence(layers.Reshape((-1, 2, 3)), layers.Permute((2, 1, 3)), layers.Dense(4)),
    "recurrent": lambda: sequence(
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.GRU(3, go_backwards=True)
    ),
    "each step": lambda: sequence(
        layers.TimeDistributed(layers.Dense(3, activation="tanh")), layers.GlobalMaxPooling1D()
    ),
    "normalized": lambda: sequence(
        layers.LayerNormalization(), layers.UnitNormalization(axis=1), layers.GroupNormalization(2)
    ),
    "attention": attention,
    "tokens": tokens,
    "image": image,
    "averaged": lambda: Sequential([Input((None, None, 3)), layers.GlobalAveragePooling2D()]),
    "grouped": lambda: image(groups=3),
    "added": lambda: two_inputs(lambda x, y: layers.Add()([x, y])),
    "joined": lambda: two_inputs(lambda x, y: layers.Concatenate(axis=1)([x, y])),
    "crossed": lambda: two_inputs(lambda x, y: layers.Dot(axes=2)([x, y])),
    "sliced": sliced,
    "resized": lambda: pictures(
        layers.Conv2D(4, 3, padding="same"),
        layers.Resizing(6, 11, "bicubic", antialias=True),
        layers.Flatten(),
    ),
    "shaped": lambda: pictures(
        layers.Resizing(9, 20, "nearest", crop_to_aspect_ratio=True),
        layers.Conv2D(4, 3, padding="same"),
        layers.Resizing(6, 7, pad_to_aspect_ratio=True, fill_value=1.5),
    ),
    "padded": lambda: pictures(layers.Resizing(9, 20, "lanczos3", pad_to_aspect_ratio=True, fill_value=0.3)),
    "middle": lambda: pictures(
        layers.CenterCrop(20, 30), layers.DepthwiseConv2D(3), layers.CenterCrop(20, 10)
    ),
    "adaptive": lambda: pictures(layers.AdaptiveAveragePooling2D((9, 7)), layers.Conv2D(4, 3)),
    "largest": lambda: sequence(layers.Conv1D(5, 3), layers.AdaptiveMaxPooling1D(4), layers.Flatten()),
    "enlarged": lambda: pictures(
        layers.UpSampling2D((3, 2), interpolation="bilinear"), layers.Conv2D(4, 5, strides=2)
    ),
}


def lengths_of(predict):
    return [n for shape in predict.input_shapes for n in shape[1:] if n is None]


def data_for(predict, lengths, rows=3):
    rng, left = np.random.default_rng(len(lengths)), list(lengths)
    found = []
    for name, shape in zip(predict.graph.inputs, predict.input_shapes, strict=True):
        full = (rows, *(left.pop(0) if n is None else n for n in shape[1:]))
        whole = predict.graph.types[name].dtype == "int"
        found.append(
            rng.integers(0, 9, full).astype(np.int32) if whole else rng.normal(size=full).astype(np.float32)
        )
    return found


def given(data):
    return data if len(data) > 1 else data[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_all_lengths_have_the_bits_of_fixed_sizes(name, made):
    predict = foldnet.freeze(fill(NETWORKS[name]()), engine="native")
    count = len(lengths_of(predict))
    equal = name in ("added",)
    rng = np.random.default_rng(1)
    for length in (40, 16, 17, 18, 19, 64, 7, 103):
        lengths = [length] * count if equal else rng.permutation([length, length + 5])[:count].tolist()
        data = data_for(predict, lengths)
        results = predict.results(given(data))
        fixed = program.NativeProgram(bind(predict.graph, [(None, *x.shape[1:]) for x in data])).run(data)
        for ours, exact in zip(results, fixed, strict=True):
            np.testing.assert_array_equal(ours, exact)
    assert sum(depends_on(graph) is not None for graph in made) == 1, "not one piece of code for all lengths"


def test_short_lengths_are_served_by_the_same_code_where_windows_fit(made):
    predict = foldnet.freeze(fill(NETWORKS["valid"]()), engine="native")
    for length in range(1, 30):
        data = data_for(predict, [length])
        if length < 6:
            with pytest.raises(InputError, match="does not fit an axis"):
                predict(*data)
        else:
            assert np.isfinite(predict(*data)).all()
    assert len(made) == 1


@pytest.mark.parametrize("name", ["causal", "middle"])
def test_a_new_length_takes_microseconds(name, made):
    predict = foldnet.freeze(fill(NETWORKS[name]()), engine="native")
    count = len(lengths_of(predict))
    predict(*data_for(predict, [50] * count))
    times = []
    for length in range(11, 111):
        (x,) = data_for(predict, [length] * count, rows=1)
        start = time.perf_counter()
        predict(x)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.005, "a compiler takes more than 0.1 s"
    assert len(made) == 1


def test_images_of_any_size_and_squares(made):
    predict = foldnet.freeze(fill(image()), engine="native")
    for size in ((8, 8), (9, 30), (31, 10), (2, 3)):
        (x,) = data_for(predict, size)
        reference = foldnet.freeze(fill(image()), engine="reference")(x)
        np.testing.assert_allclose(predict(x), reference, rtol=1e-4, atol=1e-5)
    assert len(made) == 1


def test_what_needs_equal_lengths_gets_code_for_equal_ones(made):
    predict = foldnet.freeze(fill(NETWORKS["added"]()), engine="native")
    for length in (10, 11, 12):
        assert np.isfinite(predict(data_for(predict, [length, length]))).all()
    assert len(made) == 1
    with pytest.raises(InputError, match="cannot combine"):
        predict(data_for(predict, [10, 11]))


def test_networks_that_take_multiples_have_one_code_for_them(made):
    x = Input((None, 4))
    y = layers.Conv1D(6, 3, padding="same", activation="relu")(
        layers.MaxPooling1D(2)(layers.MaxPooling1D(2)(x))
    )
    network = fill(Model(x, layers.Concatenate()([x, layers.UpSampling1D(4)(y)])))
    predict = foldnet.freeze(network, engine="native")
    for length in (12, 64, 4, 100):
        (data,) = data_for(predict, [length])
        reference = foldnet.freeze(network, engine="reference")(data)
        np.testing.assert_allclose(predict(data), reference, rtol=1e-4, atol=1e-5)
    assert len(made) == 1
    with pytest.raises(InputError, match="join"):
        predict(*data_for(predict, [13]))


def test_lengths_that_no_common_code_serves_get_their_own():
    """A reshape to a known size fits one length only."""
    predict = foldnet.freeze(
        fill(Sequential([Input((None, 6)), layers.Reshape((4, 3)), layers.Dense(2)])), engine="native"
    )
    assert predict(np.ones((1, 2, 6))).shape == (1, 4, 2)
    with pytest.raises(InputError, match="reshape"):
        predict(np.ones((1, 3, 6)))


def test_rows_that_are_too_long_are_computed_by_the_reference_engine_alone(made, monkeypatch):
    """They change neither the speed nor the bits of other rows, and are not compiled for nothing."""
    monkeypatch.setattr(source, "LARGEST", 2000)
    monkeypatch.setattr(known, "_known", RecentCache(0))
    network = fill(NETWORKS["causal"]())
    predict, other = foldnet.freeze(network), foldnet.freeze(network)
    (long,) = data_for(predict, [200])
    with pytest.warns(RuntimeWarning, match=r"\(200, 17\) elements a row"):
        found = predict(long)
    np.testing.assert_array_equal(found, foldnet.freeze(network, engine="reference")(long))
    assert predict.engine == "native"
    for length in (50, 51):
        (x,) = data_for(predict, [length])
        np.testing.assert_array_equal(predict(x), other(x))
    np.testing.assert_array_equal(predict(long), found)


def test_an_axis_beyond_the_limit_is_compiled_once(made):
    predict = foldnet.freeze(fill(sequence(layers.GlobalMaxPooling1D())), engine="native")
    assert predict(np.ones((1, LONGEST + 1, 6), np.float32)).shape == (1, 6)
    assert [depends_on(graph) is not None for graph in made] == [True, False]


def test_a_first_call_that_is_interrupted_does_not_count(made, monkeypatch):
    predict = foldnet.freeze(fill(NETWORKS["causal"]()), engine="native")
    data = data_for(predict, [20])
    with monkeypatch.context() as patched:
        patched.setattr(program.cache, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predict(*data)
    made.clear()
    for length in (20, 30):
        predict(*data_for(predict, [length]))
    assert [depends_on(graph).assumed in long_lengths(1) for graph in made] == [True]


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_first_calls_at_the_same_time_make_the_same_code(made):
    predict = foldnet.freeze(fill(NETWORKS["causal"]()), engine="native")
    begin = threading.Barrier(4)

    def call(length):
        begin.wait()
        predict(*data_for(predict, [length]))

    threads = [threading.Thread(target=call, args=(length,)) for length in (20, 30, 40, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(depends_on(graph).assumed in long_lengths(1) for graph in made)


def test_empty_axes_and_no_rows():
    predict = foldnet.freeze(fill(sequence(layers.Dense(2))), engine="native")
    assert predict(np.ones((2, 0, 6))).shape == (2, 0, 2)
    assert predict(np.ones((0, 5, 6))).shape == (0, 5, 2)
    assert predict(np.ones((3, 5, 6))).shape == (3, 5, 2)


def test_threads_and_other_dtypes_change_no_bit(monkeypatch):
    network = fill(NETWORKS["causal"]())
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("FOLDNET_THREADS", threads)
        predict = foldnet.freeze(network, engine="native")
        (x,) = data_for(predict, [80], rows=90)
        results += [predict(x), predict(x.astype(np.float64)), np.vstack([predict(row[None]) for row in x])]
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_values_of_layers_have_the_same_lengths():
    network = fill(NETWORKS["causal"]())
    predict = foldnet.freeze(network, engine="native")
    (x,) = data_for(predict, [21])
    values = predict.layer_values(x)
    np.testing.assert_array_equal(values[network.layers[-1].name], predict(x))
    assert values[network.layers[0].name].shape == (3, 21, 17)


def test_faults_in_the_data_name_the_row(made):
    predict = foldnet.freeze(fill(tokens()), engine="native")
    x = np.ones((4, 7), np.int32)
    x[2, 5] = 9
    with pytest.raises(InputError, match="row 2: an index has no row in the embedding"):
        predict(x)
