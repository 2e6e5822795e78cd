"""What counts as data that comes in batches, and how much of it there is."""

import itertools

import numpy as np
import pytest

from foldnet.errors import InputError
from foldnet.training import batches as b

ROW = np.ones((2, 3))


class Dataset:
    """Batches by number."""

    def __init__(self, count=3):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return i


class WithHooks(Dataset):
    """As Keras's PyDataset, which says its number of batches: None for no end."""

    @property
    def num_batches(self):
        return self.count


class Unsized:
    num_batches = None

    def __getitem__(self, i):
        return i


NO_STREAMS = {
    "nothing": None, "an array": ROW, "a dict": {"a": ROW}, "a tuple": (ROW, ROW), "a text": "abc",
    "an empty list": [], "a list of arrays": [ROW, ROW], "a list that ends otherwise": [(ROW, ROW), ROW], "a number": 3,
}  # fmt: skip
STREAMS = {
    "an iterator": iter([(ROW, ROW)]), "a list of tuples": [(ROW, ROW)], "a dataset": Dataset(),
    "one with hooks": WithHooks(), "one without length": Unsized(), "a set": {1}, "a range": range(2),
}  # fmt: skip


@pytest.mark.parametrize("x", NO_STREAMS.values(), ids=NO_STREAMS)
def test_no_stream(x):
    assert not b.is_stream(x)


@pytest.mark.parametrize("x", STREAMS.values(), ids=STREAMS)
def test_a_stream_unless_there_are_targets(x):
    assert b.is_stream(x)
    assert not b.is_stream(x, ROW)


@pytest.mark.parametrize(
    ("x", "dataset", "count", "endless"),
    [
        ([(ROW, ROW)] * 2, False, 2, False),
        (iter([]), False, None, False),
        ({1}, False, None, False),
        (Dataset(0), True, 0, False),
        (Dataset(4), True, 4, False),
        (WithHooks(0), True, 0, False),
        (WithHooks(4), True, 4, False),
        (WithHooks(None), True, None, True),
        (Unsized(), True, None, True),
    ],
    ids=["list", "iterator", "set", "no batch", "four", "told none", "told four", "told no end", "unsized"],
)
def test_how_many(x, dataset, count, endless):
    assert b.is_dataset(x) is dataset
    assert b.count_of(x) == count
    assert b.is_endless(x) is endless
    assert b.can_repeat(x) is not hasattr(x, "__next__")


@pytest.mark.parametrize("count", [-1, 2.0, "3"])
def test_a_number_of_batches_that_is_none(count):
    with pytest.raises(InputError, match=f"num_batches of WithHooks must be a number or None, got {count!r}"):
        b.count_of(WithHooks(count))


def test_the_batches_in_order():
    assert list(b.batches(Dataset(3))) == [0, 1, 2]
    assert list(b.batches(Dataset(3), np.array([2, 0]))) == [2, 0]
    assert list(b.batches(WithHooks(3))) == [0, 1, 2]
    assert list(itertools.islice(b.batches(Unsized()), 4)) == [0, 1, 2, 3]
    assert list(itertools.islice(b.batches(Unsized(), [5, 1]), 4)) == [5, 1]
    assert list(b.batches([(1, 2), (3, 4)])) == [(1, 2), (3, 4)]


def test_hooks():
    class Hooked:
        told = 0

        def on_epoch_end(self):
            self.told += 1

    x = Hooked()
    b.call_hook(x, "on_epoch_end")
    b.call_hook(x, "on_epoch_begin")
    assert x.told == 1


def test_unpack():
    assert b.unpack((1, 2)) == (1, 2, None)
    assert b.unpack([1, 2, 3]) == (1, 2, 3)
    for wrong, text in (
        ((1,), "a tuple of 1"),
        ([1, 2, 3, 4], "a list of 4"),
        (ROW, "a ndarray$"),
        ("ab", "a str$"),
    ):
        with pytest.raises(InputError, match=f"got {text}"):
            b.unpack(wrong)
