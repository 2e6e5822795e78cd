"""Every mistake, planted in every network, is found and named; right functions are never accused."""

import functools
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_networks import ALL_STACKS, by_hand, fill, layer_by_hand, stack_of
from planted import IN_ONE_LAYER, in_half, other_side, planted_in_one_layer, run, swapped

from foldnet import Model, Sequential, layers, trace
from foldnet.graph.lower import lower
from foldnet.insight import verify
from foldnet.insight.comparison import compare
from foldnet.insight.hypotheses import Bench, State
from foldnet.insight.mistakes import suspects_in
from foldnet.insight.mistakes.catalogue import CATALOGUE, words_for
from foldnet.insight.oracle import Oracle
from foldnet.insight.sight import Watch
from foldnet.insight.sites import sites_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "diagnosis.md"
STACKS = pytest.mark.parametrize("stack", ALL_STACKS)


@functools.cache
def network(stack):
    """A network, and the rows that verify makes for it."""
    model, seen = ALL_STACKS[stack](), []

    def predict(x):
        seen.append(x)
        return by_hand(model)(x)

    assert verify(predict, model).ok
    return model, seen[0]


def differs(stack, function):
    """Whether a function gives other numbers than the network at all."""
    model, x = network(stack)
    return not np.array_equal(function(x), by_hand(model)(x), equal_nan=True)


def named(result, mistake, places):
    return any(d.mistake == mistake and d.layer in places and d.residual <= 1 for d in result.diagnoses)


def tracing(model, change=None):
    """The function by hand, which shows every layer."""

    def shown(i, layer, x, y):
        return trace(layer.name, (y if change is None else change(i, layer, x, y)).astype(np.float32))

    return by_hand(model, shown)


@pytest.mark.parametrize("mistake", IN_ONE_LAYER)
@STACKS
def test_every_mistake_in_every_layer_is_named(stack, mistake):
    model, x = network(stack)
    for name, change in planted_in_one_layer(model, mistake):
        predict = by_hand(model, change)
        if not differs(stack, predict):
            continue
        result = verify(predict, model, x, pair_seconds=0)
        # A change below the rounding is none: epsilon beside a large variance.
        assert result.ok or named(result, mistake, {name}), f"{mistake} in {name}: {result}"
        if mistake != "epsilon-missing":
            assert not result.ok, f"{mistake} in {name} changes nothing"


def test_the_grid_is_not_empty():
    """Each mistake is made in many places, of which verify lets few pass."""
    made = {
        mistake: sum(
            differs(stack, by_hand(network(stack)[0], change))
            for stack in ALL_STACKS
            for _, change in planted_in_one_layer(network(stack)[0], mistake)
        )
        for mistake in IN_ONE_LAYER
    }
    assert all(count >= 2 for count in made.values()), made
    assert sum(made.values()) > 200, made


@STACKS
def test_layers_in_the_wrong_order_are_named(stack):
    model, x = network(stack)
    for names, predict, mistake in swapped(model):
        if differs(stack, predict):
            result = verify(predict, model, x, pair_seconds=0)
            assert named(result, mistake, names), f"{mistake} of {names}: {result}"


@pytest.mark.parametrize("stack", ["q2", "classifier", "images", "sequence", "scaled"])
def test_normalization_on_the_other_side_is_named(stack):
    model, x = network(stack)
    tried = [
        named(verify(predict, model, x, pair_seconds=0), "batchnorm-before-activation", {name})
        for name, predict in other_side(model)
    ]
    tried += [
        named(verify(predict, model, x, pair_seconds=0), mistake, names)
        for names, predict, mistake in swapped(model)
        if mistake == "batchnorm-before-activation"
    ]
    assert tried
    assert all(tried)


@pytest.mark.parametrize("mistake", IN_ONE_LAYER)
@pytest.mark.parametrize("stack", ["q2", "scaled", "words"])
def test_with_the_layers_values_it_is_found_where_it_is(stack, mistake):
    model, x = network(stack)
    for name, change in planted_in_one_layer(model, mistake):
        if differs(stack, by_hand(model, change)):
            result = verify(tracing(model, change), model, x, pair_seconds=0)
            if not result.ok:
                assert result.departs == name
                assert named(result, mistake, {name}), f"{mistake} in {name}: {result}"
                assert {d.layer for d in result.diagnoses} == {name}, str(result)


def test_a_leading_scaling_done_twice():
    for stack, name in (("iris", "bn"), ("scaled", "adapted")):
        model, x = network(stack)
        twice = run([model.get_layer(name), *stack_of(model)])
        assert named(verify(twice, model, x, pair_seconds=0), "input-scaled-twice", {name})


def test_a_softmax_over_one_unit():
    model, x = network("q2")
    result = verify(lambda x: np.ones((len(x), 1), np.float32), model, x, pair_seconds=0)
    assert [d.mistake for d in result.diagnoses] == ["softmax-one-unit"]


@STACKS
def test_the_same_mistake_in_every_layer(stack):
    """One helper function with a mistake in it makes it everywhere."""
    model, x = network(stack)
    norms = [n.name for n in stack_of(model) if type(n).__name__ == "BatchNormalization"]
    (wrong,) = IN_ONE_LAYER["variance-without-sqrt"]
    change = lambda i, layer, x, y: y if (z := wrong(layer, x, y)) is None else z  # noqa: E731
    for predict in (by_hand(model, change), tracing(model, change)):
        result = verify(predict, model, x, pair_seconds=0)
        assert [(d.mistake, d.layer) for d in result.diagnoses] == [
            ("variance-without-sqrt", n) for n in norms
        ]


@pytest.mark.parametrize("weights_only", [True, False])
@STACKS
def test_float16_everywhere(stack, weights_only):
    model, x = network(stack)
    result = verify(in_half(model, weights_only), model, x, pair_seconds=0)
    kernels = {n.name for n in stack_of(model) if type(n).__name__ == "Dense"}
    assert {d.mistake for d in result.diagnoses} == {"float16-rounding"}, str(result)
    assert kernels <= {d.layer for d in result.diagnoses}


PAIRS = [
    ("q2", {2: "variance-without-sqrt", 6: "activation-missing"}),
    ("q2", {1: "dropout-scaled", 8: "gamma-beta-swapped"}),
    ("iris", {0: "statistics-fresh", 1: "bias-missing"}),
    ("classifier", {0: "kernel-transposed", 1: "epsilon-missing"}),
    ("images", {0: "wrong-axis", 1: "activation-missing"}),
    ("sequence", {1: "epsilon-outside-sqrt", 2: "bias-missing"}),
    ("words", {5: "channels-order", 2: "gamma-beta-swapped"}),
    ("scaled", {0: "input-not-scaled", 9: "batchnorm-left-out"}),
]


@pytest.mark.parametrize(("stack", "pair"), PAIRS, ids=[f"{s}-{'+'.join(p.values())}" for s, p in PAIRS])
def test_two_mistakes_at_once(stack, pair):
    model, x = network(stack)

    def change(i, layer, x, y):
        if i not in pair:
            return y
        with np.errstate(all="ignore"):
            return next(z for wrong in IN_ONE_LAYER[pair[i]] if (z := wrong(layer, x, y)) is not None)

    wanted = {(mistake, stack_of(model)[i].name) for i, mistake in pair.items()}
    for predict in (by_hand(model, change), tracing(model, change)):
        result = verify(predict, model, x, pair_seconds=60)
        explanations = {}
        for d in result.diagnoses:
            explanations.setdefault(d.explanation, set()).add((d.mistake, d.layer))
        assert wanted in explanations.values(), str(result)


def test_two_mistakes_in_one_layer():
    model, x = network("q2")
    norm = stack_of(model)[5]

    def change(i, layer, x, y):
        w = layer.named_weights
        return (x - w["moving_mean"]) / w["moving_variance"] * w["gamma"] + w["beta"] if layer is norm else y

    result = verify(by_hand(model, change), model, x, pair_seconds=60)
    assert {(d.mistake, d.layer) for d in result.diagnoses} == {
        ("variance-without-sqrt", norm.name),
        ("epsilon-missing", norm.name),
    }
    assert "pairs" in result.searched


class TestUnknown:
    @pytest.mark.parametrize("stack", ["q2", "words"])
    def test_outputs_alone(self, stack):
        model, x = network(stack)
        unknown = lambda i, layer, x, y: y * np.float32(1.01) if i == 3 else y  # noqa: E731
        result = verify(by_hand(model, unknown), model, x)
        assert result.diagnoses == []
        assert "None of the known mistakes" in result.message
        assert "pairs" in result.searched

    @pytest.mark.parametrize("factor", [1.0001, 1.001])
    @pytest.mark.parametrize("stack", ["iris", "sequence"])
    def test_small_errors_are_not_put_down_to_rounding(self, stack, factor):
        """float16 may be as far off; it is no explanation unless it gives these very numbers."""
        model, x = network(stack)
        for i in range(len(stack_of(model))):
            unknown = lambda j, layer, x, y, i=i: y * np.float32(factor) if i == j else y  # noqa: E731
            result = verify(by_hand(model, unknown), model, x, pair_seconds=0)
            assert result.diagnoses == [], str(result)

    def test_every_row_must_be_explained(self):
        model, x = network("q2")
        left_out = by_hand(model, lambda i, layer, x, y: x if i == 5 else y)

        def one_row_off(x):
            y = left_out(x)
            y[-1] *= np.float32(1.0001)
            return y

        assert verify(left_out, model, x, pair_seconds=0).diagnoses != []
        assert verify(one_row_off, model, x, pair_seconds=0).diagnoses == []

    def test_a_tolerance_that_allows_anything_is_no_evidence(self):
        model, x = network("iris")
        graph = lower(model)
        (name,) = graph.outputs
        exact = Watch(Oracle(graph), sites_of(model, graph)).exact([x], [name])
        wrong = exact.values[name] + 1
        bench = Bench(Oracle(graph), exact, {name: compare(name, "out", wrong, exact, own=True)}, None)
        start, explained = State((), exact.values, 0, 0.0), {**exact.values, name: wrong}
        assert bench._is_evidence(start, explained, exact.tolerances)
        assert not bench._is_evidence(start, explained, {name: np.full(len(x), np.inf)})
        assert not bench._is_evidence(start, explained, {name: np.ones(len(x))})

    def test_nearly_a_known_mistake(self):
        """Another epsilon than those that are known is near them, but not to rounding."""
        model, x = network("q2")

        def change(i, layer, x, y):
            if i != 2:
                return y
            w = layer.named_weights
            return (x - w["moving_mean"]) / np.sqrt(w["moving_variance"] + np.float32(4e-5)) * w["gamma"] + w[
                "beta"
            ]

        result = verify(by_hand(model, change), model, x, pair_seconds=0)
        assert not result.ok
        assert result.diagnoses == []

    def test_behind_an_unknown_mistake_a_known_one_is_found(self):
        model, x = network("q2")

        def change(i, layer, x, y):
            return y * np.float32(1.01) if i == 3 else x if i == 5 else y

        result = verify(tracing(model, change), model, x)
        name = stack_of(model)[3].name
        assert [(d.mistake, d.layer) for d in result.diagnoses] == [
            ("batchnorm-left-out", stack_of(model)[5].name)
        ]
        assert f"None of the known mistakes explains {name!r}" in result.message
        assert result.departs == name

    def test_the_time_for_pairs_is_kept_and_stated(self):
        model, x = network("q2")
        unknown = lambda i, layer, x, y: y * np.float32(1.01) if i == 0 else y  # noqa: E731
        result = verify(by_hand(model, unknown), model, x, pair_seconds=0.02)
        assert "the time for pairs was up" in result.searched
        assert "the time for pairs was up" in " ".join(str(result).split())

    def test_one_wrong_number_is_no_evidence_for_a_pair(self):
        model, x = network("q2")
        result = verify(by_hand(model)(x[:1]) + 1, model, x[:1])
        assert result.diagnoses == []
        assert "too few" in result.searched

    def test_numbers_that_are_not_numbers(self):
        model, x = network("iris")
        result = verify(lambda x: np.full((len(x), 3), np.inf), model, x, pair_seconds=0)
        assert result.diagnoses == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), stack=st.sampled_from(sorted(ALL_STACKS)), shown=st.booleans())
def test_right_functions_are_never_accused(seed, stack, shown):
    model = fill(ALL_STACKS[stack](), seed)
    x = np.random.default_rng(seed).normal(size=(8, *network(stack)[1].shape[1:])) * 2
    x = np.abs(x).astype(int) if stack == "words" else x
    result = verify(tracing(model) if shown else by_hand(model), model, x)
    assert result.ok, str(result)
    assert (result.diagnoses, result.departs, result.searched) == ([], "", "")


class TestValues:
    """What may be given instead of a function."""

    def wrong(self):
        model, x = network("q2")
        names = [layer.name for layer in stack_of(model)]
        change = lambda i, layer, x, y: x if i == 5 else y  # noqa: E731
        values = {}

        def keep(i, layer, x, y):
            values[layer.name] = change(i, layer, x, y)
            return values[layer.name]

        outputs = by_hand(model, keep)(x)
        return model, x, names, values, outputs

    def check(self, result, names, departs):
        assert [(d.mistake, d.layer) for d in result.diagnoses] == [("batchnorm-left-out", names[5])]
        assert result.departs == departs

    def test_outputs(self):
        model, x, names, _, outputs = self.wrong()
        self.check(verify(outputs, model, x), names, names[-1])
        self.check(verify(outputs.tolist(), model, x), names, names[-1])

    def test_a_dict_of_some_layers(self):
        model, x, names, values, _ = self.wrong()
        self.check(verify(values, model, x), names, names[5])
        self.check(verify({names[6]: values[names[6]]}, model, x), names, names[6])

    def test_pairs_and_generators(self):
        model, x, names, values, _ = self.wrong()
        self.check(verify(iter(values.items()), model, x), names, names[5])

        def steps(x):
            yield from values.items()

        self.check(verify(steps, model, x), names, names[5])

    def test_right_values_prove_what_they_show(self):
        model, x, names, _, _ = self.wrong()
        values = {}
        by_hand(model, lambda i, layer, x, y: values.setdefault(layer.name, y))(x)
        result = verify({n: values[n] for n in names[:6]}, model, x)
        assert result.ok
        assert {r.name: r.status for r in result.layers}[names[3]] == "proven"
        assert {r.name: r.status for r in result.layers}[names[9]] == "unproven"
        assert verify(values, model, x).proven

    def test_more_rows_than_are_compared(self):
        model, x, names, _, _ = self.wrong()
        many = np.tile(x, (20, 1))
        outputs = by_hand(model, lambda i, layer, x, y: x if i == 5 else y)(many)
        result = verify(outputs, model, many, rows=100)
        assert result.rows == 100
        self.check(result, names, names[-1])

    def test_refusals(self):
        model, x, _, _, outputs = self.wrong()
        with pytest.raises(ValueError, match="give x"):
            verify(outputs, model)
        with pytest.raises(ValueError, match="does not have; its layers are"):
            verify({"nothing": outputs}, model, x)
        with pytest.raises(ValueError, match="pairs of a name and an array"):
            verify(iter([1, 2]), model, x)
        assert not verify(outputs[:-1], model, x).ok

    def test_trace_outside_verify_is_nothing(self):
        value = np.ones(3)
        assert trace("anything", value) is value


class TestMoreThanAStack:
    def model(self):
        a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
        shared = layers.Dense(4, activation="tanh", name="shared")
        norm = layers.BatchNormalization(name="norm")
        inner_in = layers.Input((4,))
        inner = Model(inner_in, layers.Dense(4, activation="relu", name="deep")(inner_in), name="inner")
        left = norm(shared(a))
        right = inner(shared(b))
        both = layers.Subtract(name="less")([left, right])
        outputs = [layers.Dense(2, name="out")(both), layers.Dense(1, name="side")(right)]
        return fill(Model([a, b], outputs, name="branches"))

    def predict(self, model, wrong=None):
        get, wrong = model.get_layer, wrong or {}

        def step(name, layer, x):
            return trace(name, wrong.get(name, lambda x: layer_by_hand(layer, x))(x))

        def candidate(a, b):
            left = step("norm", get("norm"), step("shared", get("shared"), a))
            right = step("inner/deep", get("inner").get_layer("deep"), step("shared", get("shared"), b))
            both = trace("less", wrong.get("less", np.subtract)(left, right))
            return [step("out", get("out"), both), step("side", get("side"), right)]

        return candidate

    def test_right(self):
        model = self.model()
        assert verify(self.predict(model), model).proven

    @pytest.mark.parametrize("traced", [True, False])
    def test_wrong(self, traced):
        model = self.model()
        deep = model.get_layer("inner").get_layer("deep")
        cases = {
            "norm": ("batchnorm-left-out", lambda x: x),
            "less": ("operands-swapped", lambda p, q: q - p),
            "inner/deep": ("activation-missing", lambda x: x @ deep.kernel + deep.bias),
        }
        for name, (mistake, wrong) in cases.items():
            candidate = self.predict(model, {name: wrong})
            named_here = candidate if traced else functools.partial(untraced, candidate)
            assert named(verify(named_here, model), mistake, {name}), name

    def test_one_mistake_an_output(self):
        model = self.model()
        bias = model.get_layer("side")
        wrong = {"side": lambda x: x @ bias.kernel, "norm": lambda x: x}
        result = verify(lambda a, b: untraced(self.predict(model, wrong), a, b), model)
        assert {(d.mistake, d.layer) for d in result.diagnoses} == {
            ("bias-missing", "side"), ("batchnorm-left-out", "norm"),
        }  # fmt: skip


def untraced(function, *inputs):
    """A function's result without what it traces."""
    from foldnet.tracing import recorded

    with recorded():
        return function(*inputs)


class TestLogits:
    """The value before the activation, where the activated one was meant."""

    def test_handed_on(self):
        model, x = network("q2")
        first = stack_of(model)[0]

        def candidate(x):
            logits = x @ first.kernel + first.bias
            trace(first.name, np.maximum(logits, 0))
            return run(stack_of(model)[1:])(logits)

        result = verify(candidate, model, x)
        assert [(d.mistake, d.layer) for d in result.diagnoses] == [
            ("activation-on-wrong-tensor", first.name)
        ]
        # Where the activated value is not shown, nothing tells it from an activation left out.
        unseen = verify(lambda x: untraced(candidate, x), model, x)
        assert {d.mistake for d in unseen.diagnoses} == {"activation-on-wrong-tensor", "activation-missing"}
        assert {d.explanation for d in unseen.diagnoses} == {1, 2}
        assert "No input that was tried tells these apart" in unseen.message
        assert unseen.tell_apart is None

    def test_only_shown(self):
        model, x = network("q2")
        first = stack_of(model)[0]

        def candidate(x):
            logits = trace(first.name, x @ first.kernel + first.bias)
            return run(stack_of(model)[1:])(np.maximum(logits, 0))

        result = verify(candidate, model, x)
        assert [(d.mistake, d.layer) for d in result.diagnoses] == [("value-before-activation", first.name)]


def test_an_input_tells_explanations_apart():
    """On rows of zeros, two mistakes give the same numbers; the row that is offered gives others."""
    model = Sequential([layers.Input((2,)), layers.Dense(2, name="d"), layers.BatchNormalization(name="bn")])
    fill(model)
    model.get_layer("d").set_weight("bias", [0, 0])
    model.get_layer("bn").set_weight("moving_mean", [0, 0])
    model.get_layer("bn").set_weight("beta", [0.5, 0.25])
    right = by_hand(model)
    x = np.zeros((6, 2))

    def exchanged(i, layer, x, y):
        return x * layer.beta / np.sqrt(layer.moving_variance + 1e-3) + layer.gamma if i else y

    result = verify(by_hand(model, exchanged), model, x)
    assert named(result, "gamma-beta-swapped", {"bn"})
    result = verify(lambda x: right(x) * 0, model, x)
    alternatives = {d.explanation: d.mistake for d in result.diagnoses}
    assert len(alternatives) > 1, str(result)
    assert {"batchnorm-left-out", "beta-missing"} <= set(alternatives.values())
    row = [np.array(part, np.float32) for part in result.tell_apart.x]
    left_out = by_hand(model, lambda i, layer, x, y: x if i else y)(row[0])
    no_beta = by_hand(model, lambda i, layer, x, y: y - layer.beta if i else y)(row[0])
    by_name = {alternatives[k]: v for k, v in result.tell_apart.outputs.items()}
    np.testing.assert_allclose(by_name["batchnorm-left-out"][0], left_out, rtol=1e-5)
    np.testing.assert_allclose(by_name["beta-missing"][0], no_beta, rtol=1e-5)
    assert not np.allclose(left_out, no_beta)
    assert max(map(len, str(result).splitlines())) <= 80


def test_every_known_mistake_has_its_words_and_is_documented():
    documented = set(re.findall(r"`([a-z0-9-]+)`", DOCS.read_text().partition("## The mistakes")[2]))
    known = {"dropout-applied"}
    for stack in ALL_STACKS:
        model = network(stack)[0]
        graph = lower(model)
        known |= {s.mistake.name for s in suspects_in(sites_of(model, graph), graph)}
    assert known <= set(CATALOGUE) | {"kernel-missing"}
    assert set(CATALOGUE) | {"kernel-missing"} <= documented
    assert documented - {"alpha-missing"} <= set(CATALOGUE) | {"kernel-missing"}
    for name in known:
        words = words_for(name)
        assert "{layer}" in words.what or name == "layers-swapped"
        assert not words.remedy.endswith(".")


def test_all_single_mistakes_of_ten_layers_are_searched_quickly():
    stack = [layers.Input((32,))]
    for _ in range(4):
        stack += [layers.Dense(32, activation="relu"), layers.BatchNormalization()]
    model = fill(Sequential([*stack, layers.Dense(16, activation="tanh"), layers.Dense(4)]))
    x = np.random.default_rng(0).normal(size=(256, 32)).astype(np.float32)
    wrong = lambda i, layer, x, y: y * np.float32(1.01) if i == 0 else y  # noqa: E731
    started = time.process_time()
    result = verify(by_hand(model, wrong), model, x, pair_seconds=0)
    assert time.process_time() - started < 5
    assert int(result.searched.split()[0]) > 100
    assert result.diagnoses == []
