"""Every mistake, planted in every network, is found and named; right functions are never accused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.insight.oracle import Oracle
from foldnet.insight.sites import sites_of
from foldnet.insight.verify import verify
from foldnet.insight.verify.comparison import compare
from foldnet.insight.verify.hypotheses import HypothesisTester, State
from foldnet.insight.verify.sight import Sight
from foldnet.lowering.lower import lower
from tests.insight.insight_networks import ALL_STACKS, by_hand, fill, stack_of
from tests.insight.verify.planted import (
    IN_ONE_LAYER,
    differs,
    in_half,
    named,
    network,
    other_side,
    planted_in_one_layer,
    run,
    swapped,
    tracing,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md"
STACKS = pytest.mark.parametrize("stack", ALL_STACKS)


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
        exact = Sight(Oracle(graph), sites_of(model, graph)).exact([x], [name])
        wrong = exact.values[name] + 1
        tester = HypothesisTester(
            Oracle(graph), exact, {name: compare(name, "out", wrong, exact, own=True)}, None
        )
        start, explained = State((), exact.values, 0, 0.0), {**exact.values, name: wrong}
        assert tester._is_evidence(start, explained, exact.tolerances)
        assert not tester._is_evidence(start, explained, {name: np.full(len(x), np.inf)})
        assert not tester._is_evidence(start, explained, {name: np.ones(len(x))})

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
