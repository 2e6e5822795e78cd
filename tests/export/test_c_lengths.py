"""Exported C of networks with free axes: it takes the lengths, and says what memory they need."""

import subprocess

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.errors import InputError, UnsupportedError
from foldnet.export import to_c
from tests.export.test_c import STRICT, csv, numbers
from tests.insight.insight_networks import fill
from tests.predictor.test_lengths import NETWORKS, data_for, given, lengths_of
from tests.support import compilers
from tests.support.compilers import COMPILERS, sanitizers

EXPORTED = [
    "small stride", "causal", "valid", "recurrent", "tokens", "image", "joined", "added", "sliced", "resized", "shaped",
    "padded", "middle", "adaptive", "largest",
]  # fmt: skip
APART = ("joined", "resized", "shaped", "padded", "middle", "adaptive")
"""Those whose lengths are not all the same."""


def built(folder, predict, compiler="gcc", **settings):
    """The exported program and its self-test, under the sanitizers."""
    to_c(predict, folder, name="net", **settings)
    for main in ("main", "self_test"):
        arguments = [*STRICT, "-O0", *sanitizers(compiler), f"{main}.c"]
        assert compilers.build(compiler, arguments, main, folder) == ""
    return folder


def said(folder, *arguments, text=""):
    return subprocess.run(arguments, cwd=folder, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", EXPORTED)
def test_one_program_predicts_rows_of_any_length(name, tmp_path):
    predict = foldnet.freeze(fill(NETWORKS[name]()), engine="native")
    folder = built(tmp_path, predict)
    assert "ok" in said(folder, "./self_test").stdout
    for length in (9, 6, 20, 45):
        lengths = [length + (k * k * 5 if name in APART else 0) for k in range(len(lengths_of(predict)))]
        data = data_for(predict, lengths)
        arguments = list(map(str, lengths[:1] if name == "added" else lengths))
        done = said(folder, "./main", *arguments, text=csv(data))
        assert done.returncode == 0, done.stderr
        expected = np.hstack([y.reshape(len(y), -1) for y in predict.results(given(data))])
        np.testing.assert_allclose(numbers(done.stdout), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_compiler_takes_it(compiler, tmp_path):
    predict = foldnet.freeze(fill(NETWORKS["image"]()), engine="native")
    assert "ok" in said(built(tmp_path, predict, compiler), "./self_test").stdout


def test_what_is_wrong_with_lengths(tmp_path):
    folder = built(tmp_path, foldnet.freeze(fill(NETWORKS["valid"]())))
    for arguments, words in (
        ((), "usage: predict INPUT_LENGTH [FILE]"),
        (("7", "-", "8"), "usage: predict INPUT_LENGTH [FILE]"),
        (("seven",), "seven is not a length"),
        (("7x",), "7x is not a length"),
        (("3",), "cannot take these lengths"),
        (("0",), "cannot take these lengths"),
        (("-7",), "cannot take these lengths"),
        (("9999999999999999999999",), "cannot take these lengths"),
    ):
        done = said(folder, "./main", *arguments, text="1,2\n")
        assert done.returncode == 2
        assert words in done.stderr
    done = said(folder, "./main", "7", text="1,2\n")
    assert done.returncode == 1
    assert "line 1 has 2 numbers, expected 42" in done.stderr


def test_a_network_that_takes_multiples_of_lengths(tmp_path):
    """It halves both axes three times, doubles them again, and joins each size with what it was before."""
    x = y = Input((None, None, 2))
    befores = []
    for _ in range(3):
        befores.append(y)
        y = layers.Conv2D(3, 3, strides=2, padding="same")(y)
    for before in befores[::-1]:
        y = layers.Concatenate()([before, layers.UpSampling2D(2)(y)])
    predict = foldnet.freeze(fill(Model(x, y)), engine="native")
    folder = built(tmp_path, predict)
    assert "ok" in said(folder, "./self_test").stdout
    data = data_for(predict, [8, 24])
    done = said(folder, "./main", "8", "24", text=csv(data))
    np.testing.assert_allclose(numbers(done.stdout), predict(*data).reshape(3, -1), rtol=2e-5, atol=2e-6)
    assert "cannot take these lengths" in said(folder, "./main", "8", "12", text="1\n").stderr


def test_sums_over_several_axes_take_all_lengths(tmp_path):
    """Also multiples of eight, where nothing is left after sums in eight parts."""
    image = Sequential([Input((None, None, 2)), layers.UnitNormalization(axis=(1, 2)), layers.Dense(2)])
    image.add(layers.GlobalAveragePooling2D())
    predict = foldnet.freeze(fill(image), engine="native")
    folder = built(tmp_path, predict)
    for lengths in ((8, 8), (16, 24), (1, 64), (3, 7)):
        data = data_for(predict, lengths)
        done = said(folder, "./main", *map(str, lengths), text=csv(data))
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(numbers(done.stdout), predict(*data), rtol=2e-5, atol=2e-6)


def test_products_of_lengths_do_not_overflow(tmp_path):
    volume = Sequential([Input((None, None, None, 16)), layers.Conv3D(2, 1)])
    folder = built(tmp_path, foldnet.freeze(fill(volume)))
    for lengths, taken in (
        ((1 << 20,) * 3, False),
        ((1 << 20, 1 << 20, 1 << 19), False),
        ((1 << 11, 1 << 11, 1), False),
        ((1 << 11, (1 << 11) - 1, 1), True),
        ((1 << 20, 1, 2), True),
    ):
        done = said(folder, "./main", *map(str, lengths), text="1,2\n")
        assert ("line 1 has 2 numbers" if taken else "cannot take these lengths") in done.stderr


def test_a_caller_gives_lengths_and_memory(tmp_path):
    """The workspace is exactly as large as the sizes say: the sanitizer sees one byte more."""
    predict = foldnet.freeze(fill(NETWORKS["causal"]()), engine="native")
    folder = built(tmp_path, predict)
    (x,) = data_for(predict, [30], rows=1)
    (folder / "own.c").write_text(
        """\
#include "predict.h"
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  struct net_predict_sizes sizes;
  if (!net_predict_sizes(30, &sizes) || net_predict_sizes(0, &sizes))
    return 1;
  float *input = malloc(sizeof *input * sizes.input), *output = malloc(sizeof *output * sizes.output);
  void *workspace = malloc(sizes.workspace);
  for (size_t i = 0; i < sizes.input; i++)
    if (scanf("%f,", &input[i]) != 1)
      return 2;
  if (net_predict(input, output, 30, workspace) || net_predict(input, output, 0, workspace) != -1)
    return 3;
  for (size_t i = 0; i < sizes.output; i++)
    printf("%s%.9g", i ? "," : "", (double)output[i]);
  free(input);
  free(output);
  free(workspace);
  return 0;
}
"""
    )
    compilers.build("gcc", ["-O0", *sanitizers("gcc"), "own.c", "predict.c"], "own", folder)
    done = said(folder, "./own", text=csv([x]))
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(numbers(done.stdout), predict(x), rtol=2e-5, atol=2e-6)


def test_the_recorded_rows_may_be_given(tmp_path):
    predict = foldnet.freeze(fill(NETWORKS["valid"]()), engine="native")
    folder = built(tmp_path, predict, x=data_for(predict, [11])[0])
    assert "3 rows" in said(folder, "./self_test").stdout
    assert "net_predict_sizes(11, &sizes)" in (folder / "self_test.c").read_text()
    with pytest.raises(UnsupportedError, match="cannot take rows of the lengths"):
        to_c(predict, folder, x=np.ones((2, 3, 6), np.float32))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((2, 5, 4)), "x holds 1 arrays, and the network has 2 inputs"),
        ({"a": np.ones((2, 5, 4))}, "x holds 1 arrays, and the network has 2 inputs"),
        ([[[[1.0] * 4], [[1.0] * 4] * 2], np.ones((2, 5, 4))], "not an array of numbers"),
        ([np.ones((2, 5, 4)), np.ones((1, 5, 4))], r"\[2, 1\] rows"),
    ],
)
def test_rows_to_record_that_fit_no_inputs(x, words, tmp_path):
    predict = foldnet.freeze(fill(NETWORKS["joined"]()))
    with pytest.raises(InputError, match=words):
        to_c(predict, tmp_path, x=x)


def test_names_of_layers_and_lengths_do_not_meet(tmp_path):
    x = Input((None, 2), name="workspace")
    y = layers.Dense(2, name="x_workspace_length", activation="relu")(x)
    z = layers.Dense(2, name="sizes")(layers.Dense(3, name="n_1", activation="tanh")(y))
    predict = foldnet.freeze(fill(Model(x, z)), engine="native")
    assert "ok" in said(built(tmp_path, predict), "./self_test").stdout


@pytest.mark.parametrize("other", ["a_length", "a_size"])
def test_names_of_inputs_and_lengths_do_not_meet(other, tmp_path):
    first, second = Input((None, 2), name="a"), Input((None, 2), name=other)
    network = Model([first, second], [layers.Dense(2)(first), layers.Dense(3)(second)])
    predict = foldnet.freeze(fill(network), engine="native")
    assert "ok" in said(built(tmp_path, predict), "./self_test").stdout


@pytest.mark.parametrize("length", [None, 5])
def test_names_of_layers_and_of_the_code_do_not_meet(length, tmp_path):
    x = y = Input((length, 2))
    for name in (
        "output_1",
        "output_2",
        "int32_t",
        "size_t",
        "o0",
        "k0",
        "fn_dense",
        "fn_conv",
        "net_predict",
    ):
        y = layers.Dense(3, activation="tanh", name=name)(y)
    network = Model(x, [y, layers.Conv1D(2, 3, name="linux")(y)])  # a macro of gcc, unless -std forbids it
    predict = foldnet.freeze(fill(network), engine="native")
    assert "ok" in said(built(tmp_path, predict), "./self_test").stdout
    compilers.build("gcc", ["-std=gnu99", "-O0", "main.c"], "main", tmp_path)


def test_the_readme_and_header_say_what_depends_on_lengths(tmp_path):
    to_c(foldnet.freeze(fill(NETWORKS["causal"]())), tmp_path, name="net")
    header, readme = (tmp_path / "predict.h").read_text(), (tmp_path / "README.md").read_text()
    assert "input: input_length x 6" in header
    assert "int net_predict(const float *input, float *output, long input_length, void *workspace);" in header
    assert "-1 for lengths that the network cannot take" in header
    assert "./predict INPUT_LENGTH < rows.csv" in readme
    fixed = Sequential([Input((4, 6)), layers.Dense(2)])
    to_c(foldnet.freeze(fill(fixed)), tmp_path, name="net")
    assert "length" not in (tmp_path / "predict.h").read_text()
