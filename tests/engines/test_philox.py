"""Random numbers against the published answers, and every rule made of them against its own words, number by number."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.operations.batch import philox

WORD = 2**32


def rounds(counter, key):
    """Philox4x32-10 of one block in whole numbers of Python."""
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = q // WORD ^ b ^ k0, q % WORD, p // WORD ^ d ^ k1, p % WORD
        k0, k1 = (k0 + 0x9E3779B9) % WORD, (k1 + 0xBB67AE85) % WORD
    return [a, b, c, d]


def number(seed, stream, step, i):
    key = (seed % WORD, stream % WORD)
    return rounds((i // 4, 0, step % WORD, step // WORD), key)[i % 4]


def test_the_published_answers():
    """The known answers that come with Random123."""
    assert rounds([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert rounds([WORD - 1] * 4, [WORD - 1] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]
    assert rounds(*pi) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


words = st.one_of(st.integers(0, WORD - 1), st.sampled_from([0, WORD - 1]))


@settings(max_examples=30, deadline=None)
@given(words, words, st.integers(0, 2**64 - 1), st.integers(0, 13))
def test_bits_are_the_rule(seed, stream, step, count):
    found = philox.bits(seed, stream, step, count)
    assert found.dtype == np.uint32
    assert found.tolist() == [number(seed, stream, step, i) for i in range(count)]


def test_a_seed_counts_by_its_low_word():
    assert np.array_equal(philox.bits(5 + 3 * WORD, 7 + WORD, 1, 6), philox.bits(5, 7, 1, 6))


def test_what_is_dropped_lies_below_the_rate():
    """Of a rate that 16 bits are too coarse for: the least of many numbers."""
    numbers = philox.bits(3, 1, 4, 9000)
    at = int(np.argmin(numbers))
    rate = int(numbers[at]) / WORD
    assert philox.threshold(rate)[1] == 1
    assert not philox.dropped(3, 1, 4, 9000, rate).any()
    assert np.flatnonzero(philox.dropped(3, 1, 4, 9000, rate + 1 / WORD)).tolist() == [at]
    assert not philox.dropped(3, 1, 4, 9, 0.0).any()
    assert philox.dropped(3, 1, 4, 9, 1.0).all()


@pytest.mark.parametrize("count", [1, 2, 7, 8, 17])
def test_two_elements_share_a_number_by_its_halves(count):
    half = 2**16
    halves = [number(3, 1, 4, i // 2) // half ** (i % 2) % half for i in range(count)]
    for below in (halves[0], halves[-1]):
        assert philox.threshold(below / half) == (below * half, 2)
        assert philox.dropped(3, 1, 4, count, below / half).tolist() == [h < below for h in halves]
        assert philox.dropped(3, 1, 4, count, (below + 1) / half).tolist() == [h <= below for h in halves]


@given(st.floats(0, 1))
def test_a_threshold_is_within_a_thousandth_of_what_is_dropped_and_of_what_is_kept(rate):
    below, sharing = philox.threshold(rate)
    assert 0 <= below <= WORD
    assert abs(below / WORD - rate) <= max(min(rate, 1 - rate) / 1000, 0.5 / WORD)
    assert sharing == 1 or below % 2**16 == 0


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_normal_numbers_are_box_and_mullers(count):
    expected = []
    for i in range(0, count + 1, 2):
        u, v = ((number(9, 2, 6, i + j) // 256) for j in (0, 1))
        radius = math.sqrt(-2 * math.log((u + 1) / 2**24))
        angle = 2 * math.pi * v / 2**24
        expected += [radius * math.cos(angle), radius * math.sin(angle)]
    np.testing.assert_allclose(philox.normal(9, 2, 6, count), expected[:count], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11])
def test_an_order_is_fisher_and_yates(count):
    order = list(range(count))
    for i in reversed(range(1, count)):
        j = number(9, 2, 6, i) % (i + 1)
        order[i], order[j] = order[j], order[i]
    assert philox.permutation(9, 2, 6, count).tolist() == order
