"""Sequences of several lengths, batch by batch: Keras's results, and each length is compiled once."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import layers, optimizers
from foldnet.engines.native import cache
from foldnet.errors import UnsupportedError
from foldnet.training import known_programs

LENGTHS = (5, 9, 2, 9, 5)
ROWS = 8


def network(kit, sequential, cell):
    return sequential([
        kit.Input((None, 3)), kit.Masking(0.0), getattr(kit, cell)(4, return_sequences=True),
        kit.BatchNormalization(), getattr(kit, cell)(3), kit.Dense(1),
    ])  # fmt: skip


def batches():
    """Padded sequences: the steps of a row end early, and then are zeros."""
    rng = np.random.default_rng(2)
    for length in LENGTHS:
        x = rng.normal(size=(ROWS, length, 3)).astype(np.float32)
        for row in x:
            row[rng.integers(1, length + 1) :] = 0
        yield x, rng.normal(size=(ROWS, 1)).astype(np.float32)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_batches_of_several_lengths_are_kerass_and_each_is_compiled_once(cell, monkeypatch):
    theirs, ours = network(keras.layers, keras.Sequential, cell), network(layers, foldnet.Sequential, cell)
    rng = np.random.default_rng(1)
    ours.set_weights([abs(rng.normal(0.5, 0.3, w.shape)) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    ours.compile(optimizers.SGD(0.1), "mse")
    asked, load = [], cache.load
    monkeypatch.setattr(
        cache, "load", lambda code, *more, **how: asked.append(code) or load(code, *more, **how)
    )
    for _ in range(2):
        ours.fit(batches(), verbose=0)
        for x, y in batches():
            theirs.train_on_batch(x, y)
    assert len(set(asked)) == len(asked) == len(set(LENGTHS))
    same(ours, theirs)


def same(ours, theirs):
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def tokens(rng, count):
    """Texts of several lengths as numbers from 1 on, and what is to be learnt of each."""
    found = [list(rng.integers(1, 9, rng.integers(1, 12))) for _ in range(count)]
    return found, np.array([[np.mean(t) / 9] for t in found], np.float32)


def buckets(texts, targets, utils, bounds=(4, 8, 12), size=4):
    """Batches of texts of like lengths, each padded to the bound of its bucket; bucket after bucket in turn."""
    low = 0
    by_bucket = []
    for bound in bounds:
        chosen = [k for k, t in enumerate(texts) if low < len(t) <= bound]
        padded = utils.pad_sequences([texts[k] for k in chosen], bound, padding="post")
        by_bucket.append(
            [(padded[i : i + size], targets[chosen[i : i + size]]) for i in range(0, len(chosen), size)]
        )
        low = bound
    for k in range(max(map(len, by_bucket))):
        yield from (bucket[k] for bucket in by_bucket if k < len(bucket))


def reader(kit, sequential):
    return sequential([
        kit.Input((None,), dtype="int32"), kit.Embedding(9, 3, mask_zero=True),
        kit.Bidirectional(kit.GRU(3, return_sequences=True)), kit.GlobalAveragePooling1D(), kit.Dense(1),
    ])  # fmt: skip


@pytest.mark.parametrize("remembered", [True, False], ids=["small", "large"])
def test_length_buckets_with_validation_of_another_length(remembered, monkeypatch):
    theirs, ours = reader(keras.layers, keras.Sequential), reader(layers, foldnet.Sequential)
    rng = np.random.default_rng(3)
    ours.set_weights([rng.normal(0, 0.5, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    ours.compile(optimizers.SGD(0.1), "mse")
    texts, targets = tokens(rng, 40)
    own, others = (list(buckets(texts, targets, u)) for u in (foldnet.utils, keras.utils))
    assert len({x.shape[1] for x, _ in own}) == 3
    late, wanted = tokens(rng, 8)
    held_out = (foldnet.utils.pad_sequences(late, 15, padding="post"), wanted)
    # What larger networks do, too: no program of theirs is remembered for other networks.
    monkeypatch.setattr(known_programs, "LARGEST", known_programs.LARGEST if remembered else 0)
    made, make = [], known_programs._made
    monkeypatch.setattr(known_programs, "_made", lambda *all_: made.append(1) or make(*all_))
    history = ours.fit(iter(3 * own), epochs=3, steps_per_epoch=len(own), validation_data=held_out, verbose=0)
    shapes = {x.shape for x, _ in own}
    assert len(made) == len({length for _, length in shapes}) + 1  # once a bucket, and once for validation
    for epoch in range(3):
        for x, y in others:
            theirs.train_on_batch(x, y)
        expected = theirs.evaluate(*held_out, verbose=0)
        assert history.history["val_loss"][epoch] == pytest.approx(expected, rel=1e-4)
    same(ours, theirs)


def test_pad_sequences_is_kerass():
    rng = np.random.default_rng(5)
    for step in ((), (2,)):
        for _ in range(60):
            rows = [
                rng.integers(-9, 9, (rng.integers(0, 7), *step)).tolist() for _ in range(rng.integers(1, 5))
            ]
            if not any(rows):
                continue
            settings = {
                "maxlen": rng.choice([None, 1, 3, 9]), "dtype": rng.choice(["int32", "float32", "int64"]),
                "padding": rng.choice(["pre", "post"]), "truncating": rng.choice(["pre", "post"]),
                "value": rng.choice([0.0, -1.0, 5.5]),
            }  # fmt: skip
            found = foldnet.utils.pad_sequences(rows, **settings)
            wanted = keras.utils.pad_sequences(rows, **settings)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted, err_msg=f"{rows} {settings}")
    words = [["a"], ["b", "c"], []]
    for kind in (object, "<U3"):
        found, wanted = (u.pad_sequences(words, dtype=kind, value="-") for u in (foldnet.utils, keras.utils))
        assert found.dtype == wanted.dtype
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("wrap", [lambda cell: cell, layers.Bidirectional, layers.TimeDistributed])
def test_stateful_layers_are_refused_by_name(wrap):
    own = layers.LSTM(2, stateful=True, name="mine")
    shape = (2, 4, 3) if wrap is layers.TimeDistributed else (4, 3)
    network = foldnet.Sequential([layers.Input(shape), wrap(own)])
    network.compile("sgd", "mse")
    x, y = np.zeros((2, *shape)), np.zeros((2, *network.output_shape[1:]))
    for train in (lambda: network.fit(x, y, verbose=0), lambda: network.train_on_batch(x, y)):
        with pytest.raises(UnsupportedError, match=r"(mine|bidirectional).*is stateful.*return_state"):
            train()
