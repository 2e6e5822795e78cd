"""verify on what people have: live Keras models, exported files, saved predictors, files of networks."""

import os

import numpy as np
import pytest

import foldnet
from foldnet import Sequential, layers, verify
from foldnet.errors import CompileError, FoldnetError, InputError
from tests.insight.insight_networks import STACKS, by_hand, fill, q2

os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")


def live(keras, seed=0):
    """Two inputs, an embedding, a nested and a shared layer, images of rank 4, with random weights."""
    lay = keras.layers
    indices, image = keras.Input((5,), dtype="int32", name="indices"), keras.Input((4, 4, 3), name="image")
    shared = lay.Dense(3, activation="tanh", name="shared")
    inner = keras.Sequential(
        [keras.Input((3,)), lay.Dense(4, name="deep"), lay.BatchNormalization(name="deep_bn")], name="inner"
    )
    words = lay.Flatten(name="flat")(shared(lay.Embedding(11, 3, name="table")(indices)))
    picture = shared(lay.BatchNormalization(axis=2, name="picture_bn")(image))
    picture = lay.Flatten(name="flat_picture")(lay.Dropout(0.2, name="drop")(picture))
    both = lay.Concatenate(name="both")([words, picture])
    out = lay.Dense(2, activation="sigmoid", name="out")(inner(lay.Dense(3, name="narrow")(both)))
    return randomized(keras.Model([indices, image], out, name="mixed"), seed)


def randomized(model, seed=0):
    generator = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        value = generator.normal(size=weight.shape)
        if len(weight.shape) > 1:
            value /= np.sqrt(weight.shape[0])
        values.append(np.exp(value) if "variance" in weight.path else value + ("gamma" in weight.path))
    model.set_weights(values)
    return model


class TestKeras:
    def test_a_functional_model_is_proven_layer_by_layer(self, keras):
        model = live(keras)
        result = verify(model, foldnet.from_keras(model))
        assert result.ok, str(result)
        assert result.proven, str(result)
        own = {x.name for x in result.layers if x.compared_at == x.name}
        assert {"table", "picture_bn", "drop", "flat", "both", "narrow", "out"} <= own

    @pytest.mark.parametrize("mean", [1, 100, 10_000])
    @pytest.mark.parametrize("name", ["LayerNormalization", "GroupNormalization", "RMSNormalization"])
    def test_a_normalization_of_rows_far_from_zero(self, keras, name, mean):
        """Keras takes the mean off in float32, which is no fault of the model; another epsilon is one."""
        settings = {"groups": 2} if name == "GroupNormalization" else {}
        layer = getattr(keras.layers, name)(**settings)
        model = randomized(keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(3)]))
        network = foldnet.from_keras(model)
        x = np.float32(np.random.default_rng(3).normal(mean, 1, (200, 6)))
        result = verify(model, network, x)
        assert result.ok, str(result)
        small = np.float32(np.random.default_rng(3).normal(0, 1, (200, 6)))
        for epsilon in (layer.epsilon, layer.epsilon + 1e-3):
            other = keras.models.clone_model(model)  # a compiled one would keep the epsilon that it had
            other.set_weights(model.get_weights())
            other.layers[0].epsilon = epsilon
            assert verify(other, network, small, pair_seconds=0).ok == (epsilon == layer.epsilon)

    def test_a_sequential_model(self, keras):
        lay = keras.layers
        model = randomized(keras.Sequential([
            keras.Input((6,)), lay.Dense(5, activation="relu", name="a"), lay.Dropout(0.3),
            lay.BatchNormalization(name="bn"), lay.Dense(3, activation="softmax", name="out"),
        ]))  # fmt: skip
        result = verify(model, foldnet.from_keras(model))
        assert result.proven, str(result)
        assert "Keras" in result.candidate

    @pytest.mark.parametrize("name", ["picture_bn", "narrow", "deep_bn", "table"])
    def test_another_weight_fails_where_it_is(self, keras, name):
        model = live(keras)
        ours = foldnet.from_keras(model)
        inner = name.startswith("deep")
        layer = (model.get_layer("inner") if inner else model).get_layer(name)
        layer.set_weights([w + 0.01 for w in layer.get_weights()])
        result = verify(model, ours, pair_seconds=0)
        assert not result.ok
        place = "out" if inner else name  # a nested model shows nothing of its inside
        assert f"first differs at {place!r}" in result.message

    def test_a_keras_file_against_its_model(self, keras, tmp_path):
        model = live(keras)
        path = tmp_path / "mixed.keras"
        model.save(path)
        assert verify(model, path).ok
        assert verify(path, path).proven
        assert not verify(live(keras, seed=1), path, pair_seconds=0).ok


PROGRAM = """
import numpy as np

kernel = np.array({kernel!r}, np.float32)
bias = np.array({bias!r}, np.float32)


def predict(x):
    print("loud")
    return x @ kernel + bias
"""


def small():
    return fill(Sequential([layers.Input((3,)), layers.Dense(2, name="d")], name="small"))


def program(tmp_path, sign=1, text=PROGRAM):
    layer = small().get_layer("d")
    path = tmp_path / "candidate.py"
    path.write_text(text.format(kernel=(sign * layer.kernel).tolist(), bias=layer.bias.tolist()))
    return path


class TestPythonFiles:
    def test_right_and_wrong(self, tmp_path):
        assert verify(program(tmp_path), small()).proven
        assert not verify(str(program(tmp_path, -1)), small()).ok

    def test_it_runs_apart(self, tmp_path):
        """Whatever it does to its process, this one stays as it was."""
        path = program(tmp_path, text="import os\nos._exit(3)")
        result = verify(path, small())
        assert not result.ok
        assert "exit code 3" in result.message

    def test_what_it_says_is_kept(self, tmp_path):
        result = verify(program(tmp_path, text="raise KeyError('no weights')"), small())
        assert "KeyError: 'no weights'" in result.message
        result = verify(program(tmp_path, text="def other(x): pass"), small())
        assert "it defines no function predict" in result.message

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no file or directory"):
            verify(tmp_path / "none.py", small())


MAIN_C = """
#include <stdio.h>
void predict(const float *x, float *y);
int main(void) {
    float x[3], y[2];
    while (scanf("%f,%f,%f", x, x + 1, x + 2) == 3) { predict(x, y); printf("%.9g,%.9g\\n", y[0], y[1]); }
    return 0;
}
"""
PREDICT_C = """
static const float kernel[3][2] = {KERNEL};
static const float bias[2] = {BIAS};
void predict(const float *x, float *y) {
    for (int j = 0; j < 2; j++) { y[j] = bias[j]; for (int i = 0; i < 3; i++) y[j] += x[i] * kernel[i][j]; }
}
"""


def c_files(tmp_path, sign=1):
    layer = small().get_layer("d")
    rows = ",".join("{" + ",".join(f"{sign * v:.9g}" for v in row) + "}" for row in layer.kernel.tolist())
    text = PREDICT_C.replace("KERNEL", rows).replace(
        "BIAS", ",".join(f"{v:.9g}" for v in layer.bias.tolist())
    )
    (tmp_path / "predict.c").write_text(text)
    (tmp_path / "main.c").write_text(MAIN_C)
    return tmp_path


class TestCDirectories:
    def test_right_and_wrong(self, tmp_path):
        assert verify(c_files(tmp_path), small()).proven
        assert not verify(c_files(tmp_path, -1), small()).ok

    def test_it_does_not_compile(self, tmp_path):
        (c_files(tmp_path) / "predict.c").write_text("nonsense")
        result = verify(tmp_path, small())
        assert not result.ok
        assert "does not compile" in result.message

    def test_no_export(self, tmp_path):
        (tmp_path / "main.c").write_text(MAIN_C)
        with pytest.raises(InputError, match=r"is not a C export: it has no predict\.c"):
            verify(tmp_path, small())

    @pytest.mark.parametrize("cc", ["no-such-compiler", "'"])
    def test_without_a_compiler_nothing_is_said_of_the_network(self, cc, tmp_path, monkeypatch):
        monkeypatch.setenv("CC", cc)
        with pytest.raises(CompileError, match="CC is"):
            verify(c_files(tmp_path), small())

    def test_a_compiler_with_options(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CC", "gcc -O1")
        assert verify(c_files(tmp_path), small()).proven


def test_another_network_that_takes_other_rows():
    other = Sequential([layers.Input((7,)), layers.Dense(2)])
    message = verify(other, small()).message
    assert "takes rows of shape (None, 7)" in message


@pytest.mark.parametrize("name", ["q2", "images", "words"])
def test_what_foldnet_exports_is_proven(name, tmp_path):
    model = STACKS[name]()
    predict = foldnet.freeze(model)
    predict.to_numpy(tmp_path / "folded.py")
    predict.to_numpy(tmp_path / "plain.py", unfolded=True)
    predict.to_c(tmp_path / "c")
    predict.save(tmp_path / "saved.foldnet")
    for written in ("folded.py", "plain.py", "c", "saved.foldnet"):
        result = verify(tmp_path / written, model)
        assert result.proven, str(result)
        assert not verify(tmp_path / written, STACKS[name](seed=9), pair_seconds=0).ok


def test_a_predictor_says_who_computed_what():
    model = q2()
    for engine in ("reference", "auto"):
        result = verify(foldnet.freeze(model, engine=engine), model)
        assert result.proven
        assert " engine" in result.candidate


def test_a_predictor_with_values_of_its_own(monkeypatch):
    model = q2()
    predict = foldnet.freeze(model, fold=False)
    wrong = 0.0

    def layer_values(self, x):
        found = {}

        def keep(i, layer, x, y):
            found[layer.name] = y + np.float32(wrong * (i == 2))
            return y

        by_hand(model, keep)(x)
        return found

    monkeypatch.setattr(type(predict), "layer_values", layer_values)
    assert verify(predict, model).proven
    wrong = 0.01
    result = verify(predict, model)
    assert not result.ok
    assert [x.name for x in result.layers if x.status == "failed"] == [model.layers[2].name]


def test_an_error_in_the_network_is_an_error():
    model = Sequential([layers.Input((2,)), layers.BatchNormalization(name="bn")])
    model.get_layer("bn").set_weight("moving_variance", [-1, 1])
    with pytest.raises(FoldnetError, match="must be positive"):
        verify(lambda x: x, model)
