"""``verify`` of networks that take texts: candidates get texts, and mistakes with vocabularies are seen and named."""

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers, verify
from foldnet.errors import InputError
from foldnet.farmhash import fingerprint
from foldnet.layers import Dense, Embedding, Flatten, Hashing, IntegerLookup, StringLookup
from foldnet.lowering.lower import lower
from tests.insight.insight_networks import fill

WORDS = ["rot", "grün", "", "blau", "zwei Wörter"]


def network(lookup, size, shape=(2,), dtype="string"):
    """An embedding of indices, or rows of 0 and 1, and a number beside them."""
    x, number = Input(shape, dtype=dtype, name="words"), Input((1,), name="number")
    y = lookup(x)
    y = Flatten()(Embedding(size, 3, name="table")(y)) if lookup.output_mode == "int" else y
    return fill(Model([x, number], Dense(2, name="y")(layers.Concatenate(name="both")([y, number]))))


def by_hand(model, index, drop=lambda i: False):
    """The network in NumPy, given the index of a text; without an embedding, rows of 0 and 1 of such indices."""
    kernel, bias = model.get_layer("y").get_weights()
    tables = [layer.get_weights()[0] for layer in model.layers if layer.name == "table"]

    def predict(words, number):
        indices = [[index(w) for w in row] for row in words.tolist()]
        if tables:
            found = tables[0][np.array(indices)].reshape(len(indices), -1)
        else:
            found = np.zeros((len(indices), len(kernel) - 1), "f")
            for row, some in zip(found, indices, strict=True):
                row[[i for i in some if i >= 0]] = 1
        return np.hstack([found, number]) @ kernel + bias

    return predict


def bin_of(text, bins):
    return fingerprint(str(text).encode()) % bins


def place(words, first, other):
    return lambda w: first + words.index(w) if w in words else other(w)


MASKED = {"vocabulary": WORDS, "num_oov_indices": 3, "mask_token": "?"}
SINGLE = {"vocabulary": WORDS, "mask_token": "?"}
CASES = {
    "one": (StringLookup(vocabulary=WORDS), 6, place(WORDS, 1, lambda w: 0)),
    "none": (StringLookup(vocabulary=WORDS, num_oov_indices=0), 5, place(WORDS, 0, None)),
    "masked": (
        StringLookup(**MASKED), 9, lambda w: 0 if w == "?" else place(WORDS, 4, lambda v: 1 + bin_of(v, 3))(w)
    ),
    "multi-hot": (
        StringLookup(**MASKED, output_mode="multi_hot"), 0,
        lambda w: -1 if w == "?" else place(WORDS, 3, lambda v: bin_of(v, 3))(w),
    ),
    "hashed": (Hashing(7), 7, lambda w: bin_of(w, 7)),
    "hashed, masked": (Hashing(7, mask_value="rot"), 7, lambda w: 0 if w == "rot" else 1 + bin_of(w, 6)),
}  # fmt: skip


def made(case):
    lookup, size, index = CASES[case]
    model = network(type(lookup).from_config(lookup.get_config() | {"name": "lookup"}), size)
    return model, by_hand(model, index)


@pytest.mark.parametrize("case", CASES)
def test_the_right_function_is_proven_on_every_code(case):
    model, predict = made(case)
    seen = set()

    def candidate(words, number):
        assert words.dtype.kind == "U"
        seen.update(words.ravel().tolist())
        return predict(words, number)

    result = verify(candidate, model)
    assert result.ok, str(result)
    assert {layer.name: layer.status for layer in result.layers}["lookup"] == "proven"
    (table,) = lower(model).texts.values()
    codes = {table.code(text) for text in seen}
    assert codes == set(range(0 if case == "none" else -table.bins, len(table.known)))
    others = seen - set(table.known)
    assert case == "none" or (len(others) > table.bins and max(map(len, others)) > 64)
    assert "codes of texts for 'words'" in result.inputs


SHIFTED = place(WORDS, 0, lambda w: 0)
MISTAKES = [
    ("one", "index-offset", SHIFTED),
    ("one", "vocabulary-order", place(sorted(WORDS), 1, lambda w: 0)),
    ("one", "vocabulary-order", place(WORDS[::-1], 1, lambda w: 0)),
    ("none", "vocabulary-order", place(sorted(WORDS), 0, None)),
    ("masked", "hash-ignored", lambda w: 0 if w == "?" else place(WORDS, 4, lambda v: 1)(w)),
    ("masked", "index-offset", lambda w: 0 if w == "?" else place(WORDS, 3, lambda v: bin_of(v, 3))(w)),
    ("masked", "index-offset", lambda w: 0 if w == "?" else place(WORDS, 1, lambda v: 1 + bin_of(v, 3))(w)),
    ("masked", "index-offset", lambda w: 0 if w == "?" else place(WORDS, 0, lambda v: bin_of(v, 3))(w)),
    ("masked", "other-as-masked", lambda w: 0 if w == "?" else place(WORDS, 4, lambda v: 0)(w)),
    ("multi-hot", "vocabulary-order", lambda w: -1 if w == "?" else place(sorted(WORDS), 3, lambda v: bin_of(v, 3))(w)),
    ("multi-hot", "hash-ignored", lambda w: -1 if w == "?" else place(WORDS, 3, lambda v: 0)(w)),
    ("hashed", "hash-ignored", lambda w: 0),
    ("hashed, masked", "index-offset", lambda w: 0 if w == "rot" else bin_of(w, 6)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "mistake", "index"), MISTAKES, ids=[f"{c}-{m}-{k}" for k, (c, m, _) in enumerate(MISTAKES)]
)
def test_a_planted_mistake_is_named(case, mistake, index):
    model, _ = made(case)
    result = verify(by_hand(model, index), model, pair_seconds=0)
    assert not result.ok
    assert result.diagnoses[0].mistake == mistake, str(result)
    assert result.diagnoses[0].layer == "lookup"
    assert "'lookup'" in result.diagnoses[0].message


def test_a_mask_that_counts_is_named():
    model = network(StringLookup(**SINGLE, output_mode="multi_hot", name="lookup"), 0)
    result = verify(by_hand(model, place(WORDS, 1, lambda w: 0)), model, pair_seconds=0)
    assert [d.mistake for d in result.diagnoses] == ["masked-as-other"]


def test_another_hash_is_seen_though_not_named():
    model, _ = made("hashed")
    result = verify(by_hand(model, lambda w: sum(w.encode()) % 7), model, pair_seconds=0)
    assert not result.ok
    assert not result.diagnoses
    model, _ = made("hashed, masked")
    wrong = by_hand(model, lambda w: 0 if w == "rot" else bin_of(w, 7))
    assert not verify(wrong, model, pair_seconds=0).ok


def test_a_vocabulary_of_hundreds_is_covered():
    words = [f"word {k}" for k in range(700)]
    model = network(StringLookup(vocabulary=words, name="lookup"), 701)
    predict, seen = by_hand(model, place(words, 1, lambda w: 0)), set()

    def candidate(words, number):
        seen.update(words.ravel().tolist())
        return predict(words, number)

    assert verify(candidate, model).ok
    assert seen > set(words)


# -- the caller's rows, and other candidates --


def rows(count=40):
    rng = np.random.default_rng(1)
    return [
        rng.choice([*WORDS, "x", "?", "other " * 20], (count, 2)),
        rng.normal(size=(count, 1)).astype("f"),
    ]


def test_the_caller_s_texts_are_what_the_candidate_gets():
    model, predict = made("masked")
    x = rows()
    seen = []

    def candidate(words, number):
        seen.append(words)
        return predict(words, number)

    for given in (
        x,
        [x[0].astype(object), x[1]],
        [np.char.encode(x[0], "utf-8"), x[1]],
    ):
        assert verify(candidate, model, given).ok
        np.testing.assert_array_equal(seen.pop(), x[0])
    assert verify(candidate, model, x, rows=7).ok
    assert seen.pop().tolist() == x[0][np.linspace(0, 39, 7).round().astype(int)].tolist()
    assert verify(predict(*x), model, x).ok
    assert not verify(predict(*x) + 1, model, x, pair_seconds=0).ok
    with pytest.raises(InputError, match="'words' takes texts"):
        verify(candidate, model, [x[1], x[1]])


def test_candidates_of_all_kinds(tmp_path):
    model, _ = made("masked")
    other, _ = made("masked")
    predict = foldnet.freeze(model)
    predict.save(tmp_path / "net.foldnet")
    predict.to_numpy(tmp_path / "net.py")
    predict.to_c(tmp_path / "net_c")
    model.save(tmp_path / "net.keras")
    for candidate in (
        predict,
        model,
        *(tmp_path / f for f in ("net.foldnet", "net.py", "net_c", "net.keras")),
    ):
        for x in (None, rows()):
            result = verify(candidate, model, x, pair_seconds=0)
            assert result.ok, str(result)
    other.get_layer("lookup").vocabulary = WORDS[::-1]
    other.set_weights(model.get_weights())
    result = verify(other, model, pair_seconds=0)
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [("vocabulary-order", "lookup")]


def test_a_function_of_one_row_and_a_row_that_tells_apart():
    model, predict = made("one")

    def one_row(words, number):
        if words.ndim > 1:
            raise ValueError
        return predict(words[None], number[None])[0]

    result = verify(one_row, model)
    assert [d.mistake for d in result.diagnoses] == ["takes-one-row"]
    # A text with the first of three bins gets index 0 for 1 if the mask is forgotten, and if it is taken for masked.
    model, _ = made("masked")
    unknown = next(w for w in "abcdefgh" if bin_of(w, 3) == 0)
    result = verify(
        by_hand(model, lambda w: 0), model, [np.array([[unknown] * 2] * 4), rows(4)[1]], pair_seconds=0
    )
    assert {d.mistake for d in result.diagnoses} == {"index-offset", "other-as-masked"}
    words, number = result.tell_apart.x
    assert all(isinstance(w, str) for w in np.array(words).ravel())
    assert np.shape(words) == (1, 2)
    assert np.shape(number) == (1, 1)


def test_texts_that_end_in_nul_are_texts(tmp_path):
    model = network(StringLookup(vocabulary=["a", "a\0"], name="lookup"), 3)
    predict = by_hand(model, place(["a", "a\0"], 1, lambda w: 0))
    assert verify(predict, model).ok
    foldnet.freeze(model).to_numpy(tmp_path / "net.py")
    assert "ends in NUL" in str(verify(tmp_path / "net.py", model))


def test_whole_numbers_are_looked_up_too():
    model = network(IntegerLookup(vocabulary=[12, 36, 7], name="lookup"), 9, dtype="int32")
    numbers = [12, 36, 7]
    right, wrong = (by_hand(model, place(some, 1, lambda n: 0)) for some in (numbers, sorted(numbers)))
    assert verify(right, model).ok
    result = verify(wrong, model, pair_seconds=0)
    assert [(d.mistake, d.layer) for d in result.diagnoses] == [("vocabulary-order", "lookup")]
