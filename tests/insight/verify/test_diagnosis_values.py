"""What may be diagnosed besides a function: values, branches, logits; and what is said of several explanations."""

import functools
import re
import time
from pathlib import Path

import numpy as np
import pytest

from foldnet import Model, Sequential, layers, trace
from foldnet.insight.sites import sites_of
from foldnet.insight.verify import verify
from foldnet.insight.verify.mistakes import suspects_in
from foldnet.insight.verify.mistakes.catalogue import CATALOGUE, words_for
from foldnet.lowering.lower import lower
from tests.insight.insight_networks import ALL_STACKS, by_hand, fill, layer_by_hand, stack_of
from tests.insight.verify.planted import (
    named,
    network,
    run,
)
from tests.insight.verify.windows_and_steps import NETWORKS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md"
STACKS = pytest.mark.parametrize("stack", ALL_STACKS)


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
    for model in (*(network(stack)[0] for stack in ALL_STACKS), *(make() for make in NETWORKS.values())):
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
