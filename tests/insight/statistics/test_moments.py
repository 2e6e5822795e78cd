"""Streaming moments against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.insight.normalizations import by_channel
from foldnet.insight.statistics.moments import Moments

numbers = st.floats(-1e6, 1e6, width=32)


def exact(values):
    fractions = [Fraction(float(v)) for v in values]
    mean = sum(fractions) / len(fractions)
    return mean, sum((f - mean) ** 2 for f in fractions) / len(fractions)


def moments(values, cuts=()):
    found = Moments()
    for block in np.split(np.asarray(values, np.float64)[:, None], sorted(cuts)):
        found.add(block)
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(numbers, min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=3))
def test_any_values_in_any_blocks(values, cuts):
    found = moments(values, cuts)
    mean, variance = exact(values)
    scale = max(abs(float(mean)), float(variance) ** 0.5, max(map(abs, values)))
    assert found.count == len(values)
    assert float(found.mean[0]) == pytest.approx(float(mean), rel=1e-13, abs=1e-14 * scale)
    assert float(found.variance[0]) == pytest.approx(float(variance), rel=1e-12, abs=1e-28 * scale**2)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([1e3, 1e6, -1e6, 1e7]),
    st.lists(st.integers(-8, 8), min_size=2, max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_huge_mean_with_tiny_variance(centre, steps, cuts):
    # Neighbouring float32 numbers: E[x²] - E[x]² has no digit left here.
    step = float(np.spacing(np.float32(abs(centre))))
    values = [centre + step * s for s in steps]
    mean, variance = exact(values)
    found = moments(values, cuts)
    assert float(found.mean[0]) == pytest.approx(float(mean), rel=1e-15)
    assert float(found.variance[0]) == pytest.approx(float(variance), rel=1e-12, abs=0)


def test_a_constant_channel_has_no_variance_at_all():
    found = moments([0.1] * 1001, [7, 500])
    assert found.variance[0] == 0
    assert found.mean[0] == 0.1


def test_channels_are_the_kept_axes():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)
    for kept in [(1,), (3,), (1, 2), (1, 3), (1, 2, 3)]:
        others = tuple(a for a in range(4) if a not in kept)
        found = Moments()
        found.add(by_channel(x, kept))
        np.testing.assert_allclose(found.mean, x.mean(axis=others).ravel(), rtol=1e-14)
        np.testing.assert_allclose(found.variance, x.var(axis=others).ravel(), rtol=1e-13)
