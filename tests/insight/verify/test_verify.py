"""verify: right candidates pass, wrong ones fail, and what could not be seen is said."""

import functools
import json

import numpy as np
import pytest

from foldnet import Model, Sequential, freeze, layers
from foldnet.errors import InputError
from foldnet.insight.verify import verify as verify_and_search
from tests.insight.insight_networks import STACKS, by_hand, fill, layer_by_hand, stack_of

verify = functools.partial(verify_and_search, pair_seconds=0)  # pairs of mistakes have tests of their own


def fitted(layer, x, like):
    """What the next layer reads when this one is left out: x itself, cut or repeated where it does not fit."""
    if type(layer).__name__ == "Flatten":
        return x  # which the next layer cannot take
    return np.resize(x.reshape(len(x), -1), (len(x), like[0].size)).reshape(like.shape)


@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
class TestStacks:
    def test_code_by_hand_is_proven(self, make):
        model = make()
        result = verify(by_hand(model), model)
        assert result.ok
        assert result.proven, str(result)
        assert result.exit_code == 0

    def test_predictor_is_proven(self, make):
        model = make()
        result = verify(freeze(model), model)
        assert result.ok
        assert result.proven, str(result)

    def test_every_layer_left_out_fails(self, make):
        model = make()
        for index, layer in enumerate(stack_of(model)):
            if type(layer).__name__ == "Dropout":
                continue  # leaving it out is right; see the test of applying it
            left_out = lambda i, layer, x, y, index=index: fitted(layer, x, y) if i == index else y  # noqa: E731
            result = verify(by_hand(model, left_out), model, pair_seconds=0)
            assert not result.ok, f"{layer.name} left out was not noticed"
            assert result.exit_code == 1
            assert any(x.status == "failed" for x in result.layers)
            assert not result.proven

    def test_every_dropout_applied_fails(self, make):
        model = make()
        for index, layer in enumerate(stack_of(model)):
            if type(layer).__name__ == "Dropout":
                change = lambda i, layer, x, y, index=index: x * (1 - layer.rate) if i == index else y  # noqa: E731
                assert not verify(by_hand(model, change), model).ok


def with_weights(layer, x, **weights):
    """The layer by hand with other weights."""

    class Changed(type(layer)):
        named_weights = {**layer.named_weights, **weights}  # noqa: RUF012

    Changed.__name__ = type(layer).__name__
    changed = object.__new__(Changed)
    changed.__dict__.update(layer.__dict__)
    return layer_by_hand(changed, x)


def normalization_with(layer, x, **settings):
    old = {k: getattr(layer, k) for k in settings}
    try:
        layer.__dict__.update(settings)
        return layer_by_hand(layer, x)
    finally:
        layer.__dict__.update(old)


def w(layer):
    return layer.named_weights


NORMALIZATION_MISTAKES = {
    "fresh statistics": lambda n, x: with_weights(
        n,
        x,
        moving_mean=np.zeros_like(w(n)["moving_mean"]),
        moving_variance=np.ones_like(w(n)["moving_variance"]),
    ),
    "epsilon 1e-5": lambda n, x: normalization_with(n, x, epsilon=1e-5 if n.epsilon != 1e-5 else 1e-3),
    "no epsilon": lambda n, x: normalization_with(n, x, epsilon=0.0),
    "gamma and beta swapped": lambda n, x: with_weights(
        n,
        x,
        gamma=w(n).get("beta", w(n)["moving_mean"] * 0),
        beta=w(n).get("gamma", w(n)["moving_mean"] * 0 + 1),
    ),
    "variance without root": lambda n, x: with_weights(
        n, x, moving_variance=(w(n)["moving_variance"] + n.epsilon) ** 2 - n.epsilon
    ),
    "mean and variance swapped": lambda n, x: with_weights(
        n, x, moving_mean=w(n)["moving_variance"], moving_variance=np.abs(w(n)["moving_mean"])
    ),
    "statistics of the batch": lambda n, x: with_weights(
        n,
        x,
        moving_mean=x.mean(axis=reduced(n, x)).reshape(w(n)["moving_mean"].shape),
        moving_variance=x.var(axis=reduced(n, x)).reshape(w(n)["moving_mean"].shape),
    ),
    "channels reversed": lambda n, x: with_weights(
        n, x, **{k: v.reshape(-1)[::-1].reshape(v.shape) for k, v in w(n).items()}
    ),
}


def reduced(layer, x):
    kept = [a % x.ndim for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis)]
    return tuple(a for a in range(x.ndim) if a not in kept)


@pytest.mark.parametrize("mistake", NORMALIZATION_MISTAKES.values(), ids=NORMALIZATION_MISTAKES)
@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
def test_mistakes_in_every_normalization_fail(make, mistake):
    model = make()
    for index, layer in enumerate(stack_of(model)):
        if type(layer).__name__ == "BatchNormalization":
            change = lambda i, layer, x, y, index=index: mistake(layer, x) if i == index else y  # noqa: E731
            assert not verify(by_hand(model, change), model).ok, layer.name


DENSE_MISTAKES = {
    "bias missing": lambda d, x: with_weights(d, x, bias=np.zeros(d.units, np.float32)),
    "units reversed": lambda d, x: with_weights(
        d, x, kernel=w(d)["kernel"][:, ::-1], bias=w(d).get("bias", np.zeros(d.units))[::-1]
    ),
    "kernel rounded to float16": lambda d, x: with_weights(d, x, kernel=w(d)["kernel"].astype(np.float16)),
    "kernel reshaped, not transposed": lambda d, x: with_weights(
        d, x, kernel=w(d)["kernel"].T.reshape(w(d)["kernel"].shape)
    ),
}


@pytest.mark.parametrize("mistake", DENSE_MISTAKES.values(), ids=DENSE_MISTAKES)
@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
def test_mistakes_in_every_dense_fail(make, mistake):
    model = make()
    for index, layer in enumerate(stack_of(model)):
        if type(layer).__name__ != "Dense":
            continue
        if mistake is DENSE_MISTAKES["bias missing"] and not layer.use_bias:
            continue
        if mistake is DENSE_MISTAKES["units reversed"] and layer.units == 1:
            continue
        if mistake is DENSE_MISTAKES["kernel reshaped, not transposed"] and 1 in layer.kernel.shape:
            continue
        change = lambda i, layer, x, y, index=index: mistake(layer, x) if i == index else y  # noqa: E731
        assert not verify(by_hand(model, change), model).ok, layer.name


def test_the_mistake_is_named():
    model = STACKS["q2"]()
    change = lambda i, layer, x, y: normalization_with(layer, x, epsilon=1e-5) if i == 5 else y  # noqa: E731
    result = verify(by_hand(model, change), model)
    assert repr(stack_of(model)[5].name) + " with epsilon-1e-5" in result.message


def test_sight_on_fresh_inputs_is_measured_not_assumed():
    """Rows of zeros cannot tell a kernel from none: the layer is unproven, though every number agrees."""
    model = fill(Sequential([layers.Input((3,)), layers.Dense(2, name="d")]))
    result = verify(by_hand(model), model, np.zeros((4, 3)))
    assert result.ok
    assert not result.proven
    dense = next(x for x in result.layers if x.name == "d")
    assert dense.unseen == ("kernel-missing",)
    assert dense.mistakes["bias-missing"] > 1000
    assert [x.status for x in result.layers] == ["unproven", "unproven"]
    assert result.layers[0].sight == 0
    # And so it is: a wrong kernel does go unnoticed on these rows, and not on rows of verify's own.
    wrong = by_hand(model, lambda i, layer, x, y: with_weights(layer, x, kernel=-w(layer)["kernel"]))
    assert verify(wrong, model, np.zeros((4, 3))).ok
    assert not verify(wrong, model).ok


def test_dead_relu_makes_what_is_before_it_unproven():
    model = fill(
        Sequential(
            [
                layers.Input((3,)),
                layers.Dense(2, name="before"),
                layers.Dense(2, activation="relu", name="dead"),
                layers.Dense(1, name="after"),
            ]
        )
    )
    model.get_layer("dead").set_weight("kernel", np.zeros((2, 2)))
    model.get_layer("dead").set_weight("bias", [-1, -2])
    result = verify(by_hand(model), model)
    statuses = {x.name: x.status for x in result.layers}
    assert result.ok
    assert statuses["before"] == "unproven"
    assert statuses["after"] == "unproven"  # its kernel never meets a number but 0
    # A wrong layer before it does go unnoticed, as said.
    assert verify(by_hand(model, lambda i, layer, x, y: y * 3 if i == 0 else y), model).ok


def test_softmax_over_one_unit_hides_everything_and_says_so():
    model = fill(
        Sequential(
            [
                layers.Input((3,)),
                layers.Dense(4, activation="relu", name="d"),
                layers.BatchNormalization(name="bn"),
                layers.Dense(1, activation="softmax", name="out"),
            ]
        )
    )
    result = verify(by_hand(model), model)
    assert result.ok
    assert not result.proven
    assert {x.status for x in result.layers} == {"unproven"}
    assert all("softmax over one unit" in x.note for x in result.layers)
    assert "softmax over one unit" in str(result)


def test_a_predictor_shows_its_layers_behind_the_softmax():
    """A graph exposes values before the softmax, so a wrong one is found although outputs agree."""

    def net():
        return fill(
            Sequential(
                [
                    layers.Input((3,)),
                    layers.BatchNormalization(name="bn"),
                    layers.Dense(1, activation="softmax", name="out"),
                ]
            )
        )

    # Unfolded: folding would take the normalization into the layer before the softmax.
    model, other = net(), net()
    other.get_layer("bn").set_weight("moving_mean", [1, 2, 3])
    result = verify(freeze(other, fold=False), model)
    assert not result.ok
    assert {x.name: x.status for x in result.layers}["bn"] == "failed"
    assert "first differs at 'bn'" in result.message


def test_small_inputs_are_found_for_saturated_networks():
    """At scale one the sigmoid is flat for float32; the search finds where it is not."""
    model = fill(
        Sequential(
            [
                layers.Input((3,)),
                layers.Dense(4, name="d"),
                layers.Dense(2, activation="sigmoid", name="out"),
            ]
        )
    )
    model.get_layer("d").set_weight("kernel", model.get_layer("d").kernel * 3000)
    model.get_layer("out").set_weight("bias", [0.1, -0.2])
    result = verify(by_hand_quietly(model), model)
    assert result.proven, str(result)
    assert not verify(
        by_hand_quietly(model, lambda i, n, x, y: with_weights(n, x, bias=np.zeros(2)) if i else y), model
    ).ok


@pytest.mark.parametrize(("kernel", "bias"), [(1.2e4, 6e3), (2e4, 1.6e4), (3e4, 3.3e4)])
def test_rows_are_sought_where_a_steep_network_turns(kernel, bias):
    """Another epsilon shows only where the sigmoid is between 0 and 1: no row drawn is there."""
    model = Sequential(
        [
            layers.Input((1,)),
            layers.BatchNormalization(name="bn"),
            layers.Dense(1, activation="sigmoid", name="out"),
        ]
    )
    model.get_layer("bn").set_weights([[1.2], [0.1], [0.3], [0.8]])
    model.get_layer("out").set_weights([[[kernel]], [bias]])
    result = verify(by_hand_quietly(model), model)
    assert result.proven, str(result)
    assert "found among" in result.inputs


def by_hand_quietly(model, change=None):
    predict = by_hand(model, change)

    def quiet(x):
        with np.errstate(all="ignore"):
            return predict(x)

    return quiet


def test_large_mean_and_tiny_variance_widen_the_tolerance_no_more_than_needed():
    """x * scale + (beta - mean * scale) loses most digits in float32; verify grants that, and no more."""
    model = Sequential([layers.Input((2,)), layers.BatchNormalization(name="bn")])
    model.get_layer("bn").set_weights([[1.5, 0.7], [0.2, -3], [1000, -4000], [0.04, 0.09]])
    gamma, beta, mean, variance = (np.float32(v) for v in model.get_weights())

    def folded(x):
        scale = (gamma / np.sqrt(variance + np.float32(1e-3))).astype(np.float32)
        return x * scale + (beta - mean * scale)

    result = verify(folded, model)
    assert result.ok, str(result)
    assert result.proven
    assert not verify(lambda x: folded(x + np.float32(0.01)), model).ok


def test_identity_layers():
    model = fill(
        Sequential(
            [
                layers.Input((3,)),
                layers.Dense(2, name="d"),
                layers.Activation("linear", name="nothing"),
                layers.Dropout(0.4, name="drop"),
                layers.Dropout(0.0, name="drop0"),
            ]
        )
    )
    found = {x.name: x for x in verify(by_hand(model), model).layers}
    assert found["drop"].status == "proven"
    assert list(found["drop"].mistakes) == ["dropout-scaled"]
    for name in ("nothing", "drop0"):
        assert (found[name].status, found[name].sight) == ("proven", None)
        assert "no mistake with it is possible" in found[name].note


@pytest.mark.parametrize("layer", ["flat", "turn"])
def test_values_in_another_order_fail(layer):
    model = STACKS["words"]()

    def change(i, each, x, y):
        if each.name != layer:
            return y
        return x.transpose(0, 2, 1).reshape(y.shape) if layer == "flat" else x.reshape(y.shape)

    result = verify(by_hand(model, change), model)
    assert not result.ok
    assert f"{layer!r} with" in result.message


class TestMerges:
    """Two inputs, a shared layer, and every way to join."""

    def model(self):
        a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
        shared = layers.Dense(3, activation="tanh", name="shared")
        left, right = shared(a), shared(b)
        joined = [
            layers.Add(name="add")([left, right]),
            layers.Subtract(name="subtract")([left, right]),
            layers.Multiply(name="multiply")([left, right]),
            layers.Maximum(name="maximum")([left, right]),
        ]
        joined = layers.Concatenate(name="join")(joined)
        out = layers.Dense(2, name="out")(layers.BatchNormalization(name="bn")(joined))
        return fill(Model([a, b], out, name="merges"))

    def predict(self, model, wrong=None):
        get = model.get_layer
        right = {
            "add": lambda p, q: p + q,
            "subtract": lambda p, q: p - q,
            "multiply": lambda p, q: p * q,
            "maximum": np.maximum,
            "join": lambda *parts: np.concatenate(parts, axis=-1),
        } | (wrong or {})

        def candidate(a, b):
            p, q = layer_by_hand(get("shared"), a), layer_by_hand(get("shared"), b)
            joined = right["join"](*(right[n](p, q) for n in ("add", "subtract", "multiply", "maximum")))
            return layer_by_hand(get("out"), layer_by_hand(get("bn"), joined))

        return candidate

    def test_right(self):
        result = verify(self.predict(self.model()), self.model())
        assert result.proven, str(result)

    @pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum"])
    @pytest.mark.parametrize(
        "wrong", [lambda p, q: p, lambda p, q: q, lambda p, q: p * 0], ids=["first", "second", "none"]
    )
    def test_an_operand_ignored(self, name, wrong):
        assert not verify(self.predict(self.model(), {name: wrong}), self.model()).ok

    def test_the_wrong_order(self):
        model = self.model()
        for wrong in (
            {"subtract": lambda p, q: q - p},
            {"join": lambda *parts: np.concatenate(parts[::-1], axis=-1)},
        ):
            assert not verify(self.predict(model, wrong), model).ok


class TestBranches:
    def model(self):
        a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
        shared = layers.Dense(4, activation="tanh", name="shared")
        norm = layers.BatchNormalization(name="norm")
        inner_in = layers.Input((4,))
        inner = Model(
            inner_in, layers.Dense(2, name="deep")(layers.Dropout(0.2, name="drop")(inner_in)), name="inner"
        )
        outputs = [layers.Dense(1, name="left")(norm(shared(a))), inner(shared(b))]
        return fill(Model([a, b], outputs, name="branches"))

    def predict(self, model, wrong=""):
        get = model.get_layer

        def candidate(a, b):
            left = layer_by_hand(get("shared"), a)
            if wrong != "norm":
                left = layer_by_hand(get("norm"), left)
            deep = get("inner").get_layer("deep")
            right = layer_by_hand(get("shared"), b) if wrong != "shared@1" else b
            right = layer_by_hand(deep, right)
            return [layer_by_hand(get("left"), left), right if wrong != "deep" else right - deep.bias]

        return candidate

    def test_right(self):
        model = self.model()
        result = verify(self.predict(model), model)
        assert result.proven, str(result)
        assert {"shared", "shared@1", "inner/drop", "inner/deep"} <= {x.name for x in result.layers}

    def test_one_list_of_inputs_will_do(self):
        model = self.model()
        candidate = self.predict(model)
        assert verify(lambda inputs: candidate(*inputs), model).ok

    @pytest.mark.parametrize(
        ("wrong", "first"), [("norm", "left"), ("shared@1", "inner/deep"), ("deep", "inner/deep")]
    )
    def test_wrong(self, wrong, first):
        model = self.model()
        result = verify(self.predict(model, wrong), model)
        assert not result.ok
        assert f"first differs at {first!r}" in result.message
        good = [x.name for x in result.layers if x.status == "proven"]
        assert ("shared" in good) == (first != "left")

    def test_given_rows(self):
        model = self.model()
        x = {"a": np.ones((3, 4)), "b": np.zeros((3, 4))}
        for given in (x, [x["a"], x["b"]]):
            assert verify(self.predict(model), model, given).rows == 3
        with pytest.raises(InputError, match="takes 2 inputs"):
            verify(self.predict(model), model, x["a"])
        with pytest.raises(InputError, match="as many for each"):
            verify(self.predict(model), model, [x["a"], x["b"][:2]])


class TestCandidatesThatFail:
    def model(self):
        return fill(Sequential([layers.Input((3,)), layers.Dense(2, name="d")]))

    def test_raises(self):
        result = verify(lambda x: x @ np.ones((7, 2)), self.model())
        assert not result.ok
        assert "ValueError" in result.message
        assert result.layers[-1].status == "failed"

    def test_shape(self):
        result = verify(lambda x: np.zeros((len(x), 3)), self.model())
        assert not result.ok
        assert "shape" in result.message

    def test_text(self):
        assert not verify(lambda x: np.full((len(x), 2), "a"), self.model()).ok

    def test_number_of_outputs(self):
        result = verify(lambda x: [np.zeros((len(x), 2))] * 2, self.model())
        assert not result.ok
        assert "2 outputs" in result.message

    def test_nan(self):
        model = self.model()
        assert not verify(lambda x: by_hand(model)(x) * np.nan, model).ok

    def test_one_row_wrong(self):
        model = self.model()

        def predict(x):
            y = by_hand(model)(x)
            y[-1, 0] += 1e-3
            return y

        assert not verify(predict, model).ok

    def test_not_a_candidate(self):
        with pytest.raises(InputError, match="cannot verify a int"):
            verify(3, self.model())

    def test_rows_that_do_not_fit(self):
        with pytest.raises(InputError, match="takes rows of shape"):
            verify(by_hand(self.model()), self.model(), np.zeros((2, 4)))
        with pytest.raises(InputError, match="at least one row"):
            verify(by_hand(self.model()), self.model(), np.zeros((0, 3)))
        with pytest.raises(InputError, match="does not hold numbers"):
            verify(by_hand(self.model()), self.model(), [["a", "b", "c"]])


def test_flat_predictions_of_one_unit_are_accepted():
    model = fill(Sequential([layers.Input((3,)), layers.Dense(1, name="d")]))
    assert verify(lambda x: by_hand(model)(x)[:, 0], model).ok
    assert verify(lambda x: by_hand(model)(x)[:, 0].tolist(), model).ok
    assert not verify(lambda x: by_hand(model)(x)[:, 0] + 1e-4, model).ok


def test_nan_and_infinity_in_the_rows_are_compared():
    model = fill(Sequential([layers.Input((2,)), layers.Dense(2, name="d")]))
    x = np.array([[1, 2], [np.nan, 0], [np.inf, 1]])
    predict = by_hand_quietly(model)
    assert verify(predict, model, x).ok
    assert not verify(lambda x: np.nan_to_num(predict(x)), model, x).ok


def test_tolerance_and_rows():
    model = fill(Sequential([layers.Input((2,)), layers.Dense(2, name="d")]))
    off = lambda x: by_hand(model)(x) + np.float32(1e-3)  # noqa: E731
    assert not verify(off, model).ok
    assert verify(off, model, tolerance=1e-2).ok
    assert not verify(off, model, tolerance=1e-4).ok
    result = verify(by_hand(model), model, np.random.default_rng(0).normal(size=(5000, 2)))
    assert (result.rows, result.ok) == (1024, True)
    assert "1,024 of the 5,000" in result.inputs


def test_the_result_prints_and_stores():
    model = STACKS["q2"]()
    result = verify(by_hand(model), model)
    lines = str(result).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.rstrip("*").endswith("proven") for line in lines) >= len(result.layers)
    bad = verify(lambda x: x * np.inf, model)
    stored = json.loads(bad.to_json(), parse_constant=pytest.fail)
    assert stored["ok"] is False
    assert set(stored["layers"][0]) >= {"name", "max_abs", "max_rel", "max_ulp", "sight", "status"}
    assert max(map(len, str(bad).splitlines())) <= 80


def test_the_same_seed_makes_the_same_rows():
    model = STACKS["iris"]()
    seen = []

    def predict(x):
        seen.append(x)
        return by_hand(model)(x)

    for seed in (0, 0, 1):
        verify(predict, model, seed=seed)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    assert "moving statistics of 'bn'" in verify(predict, model).inputs
