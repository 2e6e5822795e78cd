"""Whole fits: compiled and reference agree step by step, on any number of threads, and stop when asked to."""

import itertools
import os
import platform
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import Model, Sequential, layers, losses, optimizers, regularizers
from foldnet.engines.fit import Data, FitPlan
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import InputError
from foldnet.graph.training import Constraint
from foldnet.training.compiled import Target
from tests.native_training import programs
from tests.support.compilers import COMPILERS, assert_no_warnings


def close(a, b, tolerance=1e-4):
    """Weights, slots and averages of two states."""
    for name in a.weights:
        pairs = [
            (a.weights[name], b.weights[name]),
            *zip(a.slots.get(name, []), b.slots.get(name, []), strict=True),
        ]
        if name in a.averages or name in b.averages:
            pairs.append((a.averages[name], b.averages[name]))
        for x, y in pairs:
            assert x.shape == y.shape
            assert x.dtype == np.float32 == y.dtype
            assert np.abs(x - y).max() <= tolerance * max(np.abs(x).max(), 1e-2), name


def both(p, rows, plan, validation=None, seed=0):
    data = programs.data(p, rows, seed)
    judged = programs.data(p, validation, seed + 1) if validation else None
    results = []
    for engine in (ReferenceTraining(p), NativeTraining(p)):
        state = programs.random_start(p)
        results.append((state, engine.fit(state, data, plan, judged)))
    return results


def agree(results, tolerance=1e-4):
    (a, ra), (b, rb) = results
    close(a, b, tolerance)
    assert a.iterations == b.iterations
    assert (ra.epochs, ra.stopped, ra.not_finite) == (rb.epochs, rb.stopped, rb.not_finite)
    for x, y in ((ra.training, rb.training), (ra.validation, rb.validation)):
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_array_equal(x.rows, y.rows)
            np.testing.assert_allclose(x.loss, y.loss, rtol=1e-4)
            np.testing.assert_allclose(x.regularization, y.regularization, rtol=1e-5)
            for u, v in zip(x.values, y.values, strict=True):
                np.testing.assert_allclose(u, v, rtol=1e-4)


@pytest.mark.as_shipped
def test_dropout_normalization_adam_and_validation_agree():
    p = programs.program(programs.q2())
    plan = programs.plan(
        203, 32, 5, validation_epochs=[True, False, True, True, False], seed=11, first_epoch=3
    )
    agree(both(p, 203, plan, validation=90), 3e-4)


RULES = [
    ({"clip": ("value", 0.01)}, {}),
    ({"clip": ("norm", 0.05), "decayed": True}, {"bias": {"decay": False}, "beta": {"decay": False}}),
    ({"clip": ("global_norm", 0.1), "ema": (0.9, None)}, {"kernel": {"l1": 0.01, "l2": 0.02}}),
    ({"ema": (0.8, 3)}, {"kernel": {"constraint": Constraint("max_norm", (0,), high=0.7)},
                         "bias": {"constraint": Constraint("non_neg")}}),
    ({}, {"kernel": {"constraint": Constraint("unit_norm", (0,))}, "bias": {"l2": 0.1}}),
    ({}, {"kernel": {"constraint": Constraint("min_max_norm", (0, 1), low=0.9, high=1.1, rate=0.7)}}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "variables"), RULES, ids=str)
def test_clipping_decay_averages_constraints_and_regularizers_agree(rule, variables):
    network = Sequential(
        [layers.Input((5,)), layers.Dense(6, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    rule = dict(rule)
    if rule.get("ema", (0, 1))[1] is None:
        rule["ema"] = (rule["ema"][0], 0)
    p = programs.program(network, update=programs.adam(**rule), variables=variables)
    agree(both(p, 70, programs.plan(70, 16, 4, seed=2), validation=20))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 75),
    batch=st.integers(1, 80),
    epochs=st.integers(1, 3),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_rows_batches_and_seeds_agree(rows, batch, epochs, shuffle, seed):
    # Normalizing a batch of one row gives zeros and rounding noise alone, so this network has none.
    network = Sequential(
        [layers.Input((3,)), layers.Dense(5, activation="silu"), layers.Dropout(0.4), layers.Dense(2)]
    )
    p = programs.program(network, update=programs.sgd())
    agree(both(p, rows, programs.plan(rows, batch, epochs, shuffle=shuffle, seed=seed), validation=rows))


def test_other_data_batches_seeds_rates_and_hyperparameters_compile_nothing(monkeypatch, tmp_path):
    codes = {source(programs.program(programs.q2(rate), update=programs.adam(clip=("norm", limit)))).code
             for rate, limit in ((0.3, 1.0), (0.5, 0.1), (0.7, 3.0))}  # fmt: skip
    assert len(codes) == 1
    p = programs.program(programs.q2())
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))  # and not for what an earlier run left
    monkeypatch.setattr(cache, "_loaded", {})
    NativeTraining(p)
    monkeypatch.setattr(cache, "_build", lambda *a: pytest.fail("compiled again"))
    for rows, batch in ((10, 3), (100, 32), (40, 64)):
        NativeTraining(p).fit(
            programs.start(p), programs.data(p, rows), programs.plan(rows, batch, 2, seed=rows)
        )


def wide():
    return Sequential([
        layers.Input((200,)), layers.Dense(520, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2),
        layers.Dense(210, activation="gelu"), layers.LayerNormalization(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


@pytest.mark.as_shipped
def test_bits_do_not_depend_on_threads_and_wide_layers_agree():
    p = programs.program(wide(), programs.crossentropy, programs.adam(clip=("global_norm", 1.0)))
    assert source(p).threaded
    target = lambda r, shape: np.eye(shape[1])[r.integers(0, shape[1], shape[0])]  # noqa: E731
    data = programs.data(p, 150, target=target)
    states = []
    for threads in (1, 2, 3, 8):
        state = programs.random_start(p)
        NativeTraining(p).fit(state, data, programs.plan(150, 70, 2, rate=1e-3, threads=threads))
        states.append(state)
    for other in states[1:]:
        for name, weight in states[0].weights.items():
            np.testing.assert_array_equal(weight, other.weights[name])
    state = programs.random_start(p)
    ReferenceTraining(p).fit(state, data, programs.plan(150, 70, 2, rate=1e-3))
    close(state, states[0], 2e-3)


@pytest.mark.as_shipped
def test_two_fits_at_once_do_not_disturb_each_other():
    # The program of the test before, compiled once.
    p = programs.program(wide(), programs.crossentropy, programs.adam(clip=("global_norm", 1.0)))
    NativeTraining(p)
    data = programs.data(p, 64, target=lambda r, s: np.full(s, 1 / 3))
    states = [programs.random_start(p) for _ in range(3)]

    def run(state):
        NativeTraining(p).fit(state, data, programs.plan(64, 32, 3, threads=2))

    threads = [threading.Thread(target=run, args=(s,)) for s in states[:2]]
    for t in threads:
        t.start()
    run(states[2])
    for t in threads:
        t.join()
    for other in states[:2]:
        for name, weight in states[2].weights.items():
            np.testing.assert_array_equal(weight, other.weights[name])


def test_evaluation_agrees_and_changes_nothing():
    p = programs.program(programs.q2())
    state, data = programs.start(p), programs.data(p, 300)
    before = {n: w.copy() for n, w in state.weights.items()}
    a = ReferenceTraining(p).evaluate(state, data, 32)
    b = NativeTraining(p).evaluate(state, data, 32)
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-5)
    np.testing.assert_allclose(a.values[0], b.values[0], rtol=1e-5)
    assert a.rows == b.rows == 300
    assert all(np.array_equal(w, state.weights[n]) for n, w in before.items())
    other = NativeTraining(p).evaluate(state, data, 7)
    np.testing.assert_allclose(other.loss, b.loss, rtol=1e-12)


def test_a_fit_goes_on_where_the_last_one_ended():
    p = programs.program(programs.q2())
    data = programs.data(p, 100)
    whole, parts = programs.start(p), programs.start(p)
    NativeTraining(p).fit(whole, data, programs.plan(100, 32, 4, seed=5))
    for epoch in range(4):
        NativeTraining(p).fit(parts, data, programs.plan(100, 32, 1, seed=5, first_epoch=epoch))
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(weight, parts.weights[name])
    assert whole.iterations == parts.iterations == 16


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_first_loss_that_is_not_finite_is_named(bad):
    p = programs.program(programs.q2(0))
    data = programs.data(p, 100)
    data.arrays[0][70, 3] = bad
    plan = programs.plan(100, 32, 2, shuffle=False, first_epoch=5)
    for engine in (ReferenceTraining(p), NativeTraining(p)):
        assert engine.fit(programs.start(p), data, plan).not_finite == (5, 2)


def long_fit():
    p = programs.program(programs.q2())
    return p, programs.data(p, 2000), programs.plan(2000, 32, 20000)


@pytest.mark.as_shipped
def test_should_stop_ends_a_fit_after_a_whole_step():
    p, data, plan = long_fit()
    state, asked = programs.start(p), itertools.count(1)
    result = NativeTraining(p).fit(state, data, plan, should_stop=lambda: next(asked) == 3)
    assert result.stopped
    assert next(asked) == 4  # not asked again
    assert 0 < state.iterations < 63 * 20_000
    assert result.epochs == len(result.training.loss) == state.iterations // 63
    assert all(np.isfinite(w).all() for w in state.weights.values())


def test_a_large_kernel_beside_small_ones_on_one_thread_agrees():
    network = Sequential(
        [layers.Input((210,)), layers.Dense(200, activation="tanh"), layers.Dense(12), layers.Dense(2)]
    )
    p = programs.program(network)
    assert not source(p).threaded
    agree(both(p, 40, programs.plan(40, 16, 2, rate=1e-3)))


LONG_STEPS = {
    "all rows at once": ((300, 600, 500, 1), True, 4000),
    "blocks that threads share": ((300, 600, 500, 1), False, 4000),
    "blocks of each thread": ((60, 150, 150, 1), False, 60_000),
}
"""Networks and batches with which a step takes a tenth of a second, so that nearly all stops fall within one."""


@pytest.mark.as_shipped
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", LONG_STEPS)
def test_a_step_that_is_cut_short_is_taken_back_whole(kind, threads):
    (first, *units, last), normalized, rows = LONG_STEPS[kind]
    stack = [layers.Input((first,))]
    for n in units:
        stack += [layers.Dense(n, activation="relu"), layers.Dropout(0.2)]
        stack += [layers.BatchNormalization()] if normalized else []
    p = programs.program(Sequential([*stack, layers.Dense(last)]))
    assert bool(source(p).block) != normalized
    engine, data = NativeTraining(p), programs.data(p, rows)
    state, whole = programs.random_start(p), programs.random_start(p)
    plan = programs.plan(rows, rows, 1000, seed=5, threads=threads)
    cut = 0
    for wait in (0.11, 0.23, 0.17):
        began, before = time.monotonic(), state.iterations
        moved = {k: v.copy() for k, v in state.weights.items()}
        result = engine.fit(
            state, data, plan, should_stop=lambda began=began, wait=wait: time.monotonic() - began > wait
        )
        assert result.stopped
        made = state.iterations - before
        cut += made < 1000
        again = programs.random_start(p)
        again.weights, again.iterations = moved, before
        again.slots = {k: [s.copy() for s in v] for k, v in whole.slots.items()}
        if made:
            engine.fit(again, data, programs.plan(rows, rows, made, seed=5, threads=threads))
        for name, weight in state.weights.items():
            np.testing.assert_array_equal(weight, again.weights[name], err_msg=name)
        whole = programs.random_start(p)
        whole.slots = {k: [s.copy() for s in v] for k, v in state.slots.items()}
    assert cut


@pytest.mark.as_shipped
def test_an_interrupt_leaves_a_usable_state():
    p, data, plan = long_fit()
    engine, state = NativeTraining(p), programs.start(p)
    timer = threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT))
    asked = itertools.count(1)

    def under_way():
        if next(asked) == 3:  # by then steps were made, however busy the machine is
            timer.start()
        return False

    with pytest.raises(KeyboardInterrupt):
        engine.fit(state, data, plan, should_stop=under_way)
    timer.join()
    assert state.iterations > 0
    assert all(np.isfinite(w).all() for w in state.weights.values())
    engine.evaluate(state, data, 32)


def test_an_index_outside_its_table_is_an_error():
    network = Sequential(
        [layers.Input((2,), dtype="int32"), layers.Embedding(5, 3), layers.Flatten(), layers.Dense(1)]
    )
    p = programs.program(network)
    engine = NativeTraining(p)
    engine.fit(programs.start(p), programs.data(p, 40), programs.plan(40, 8, 1))
    for low, high in ((5, 6), (-1, 0)):
        with pytest.raises(InputError, match="embedding table"):
            engine.fit(programs.start(p), programs.data(p, 40, low=low, high=high), programs.plan(40, 8, 1))


def test_wrong_data_is_refused():
    p = programs.program(programs.q2())
    engine, data = NativeTraining(p), programs.data(p, 20)
    x, *rest = data.arrays
    wrong = (
        [x],
        [x[:, :5], *rest],
        [x.astype(float), *rest],
        [np.asfortranarray(x), *rest],
        [x, rest[0][:7], rest[1]],
    )
    for arrays in wrong:
        with pytest.raises(InputError):
            engine.fit(programs.start(p), Data(arrays), programs.plan(20, 8, 1))
    with pytest.raises(InputError, match="scalars"):
        engine.fit(programs.start(p), data, FitPlan(8, 1, np.zeros((2, 1), np.float32)))
    with pytest.raises(InputError, match="batch_size"):
        engine.evaluate(programs.start(p), data, 0)


def test_dropout_masks_are_fair():
    network = Sequential([layers.Input((16,)), layers.Dropout(0.3), layers.Dense(16)])
    network.layers[-1].kernel[...] = np.eye(16)
    p = programs.program(network, loss=lambda y, q: q * y, update=programs.sgd())
    rows = 4000
    data = Data([np.ones((rows, 16), np.float32), np.ones((rows, 16), np.float32), np.ones(rows, np.float32)])
    seen = []
    for seed in range(3):
        state = programs.start(p)
        NativeTraining(p).fit(state, data, programs.plan(rows, rows, 1, rate=1.0, seed=seed))
        # The gradient on the kernel's diagonal is the mean of each column's factors.
        seen.append(16 * (1 - np.diag(state.weights[p.variables[0].name])))
    kept = np.array(seen) * 0.7
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / (rows * 48))
    assert (np.abs(kept - 0.7) < 5 * np.sqrt(0.21 / rows)).all()
    assert not np.array_equal(seen[0], seen[1])


def of_every_kind():
    """Masks, reductions over a batch, updates variable by variable, accumulated gradients, and every penalty."""
    orthogonal = regularizers.OrthogonalRegularizer
    x = layers.Input((5,), dtype="int32")
    h = layers.Dense(6, kernel_regularizer=orthogonal(0.1))(layers.Embedding(9, 4, mask_zero=True)(x))
    h = layers.Dense(3, kernel_regularizer=orthogonal(0.1, "columns"), bias_regularizer="l1l2")(h)
    model = Model(x, layers.Dense(2, kernel_constraint="max_norm")(h))
    how = {"gradient_accumulation_steps": 2, "use_ema": True, "weight_decay": 0.01, "clipvalue": 1.0}
    model.compile(optimizers.Lamb(0.01, **how), losses.MeanSquaredError("mean_with_sample_weight"))
    return model.trainer.compiled.program([Target((None, 5, 2), False, (None, 5))])[0]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of that kind")
@pytest.mark.parametrize("march", ["x86-64", "haswell", "skylake-avx512"])
def test_code_compiles_without_warnings_whatever_vectors_a_processor_has(march, tmp_path):
    assert_no_warnings("gcc", source(programs.program(programs.q2())).code, tmp_path, march)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("made", [
    lambda: programs.program(programs.q2(), update=programs.adam(clip=("norm", 1.0))), of_every_kind,
], ids=["dense", "every kind"])  # fmt: skip
def test_code_compiles_without_warnings(made, compiler, tmp_path):
    assert_no_warnings(compiler, source(made()).code, tmp_path)
