"""Weights and masks of arrays, one function at a time, against what is written out."""

import numpy as np
import pytest

from foldnet.errors import ConfigError
from foldnet.training import weighting

VALUES = np.float32([[1, 2, 3], [4, 5, 6]])


def test_sums_and_means_count_by_weight():
    assert weighting.summed(VALUES[0], np.float32([2, 0.5, 3])) == 2 + 1 + 9
    assert weighting.summed(VALUES, np.float32([1, 10])) == 6 + 150
    assert weighting.summed(VALUES) == 21
    total, count = weighting.mean_rows(VALUES, np.float32([3, 10]))
    np.testing.assert_allclose(total, [6, 50])
    np.testing.assert_allclose(count, [3, 10])
    total, count = weighting.mean_rows(VALUES)
    assert (total.tolist(), count) == ([2.0, 5.0], None)


def test_a_weight_fits_the_first_axes():
    assert weighting.fitted(np.ones((2, 1)), np.ones(2)).shape == (2,)
    assert weighting.fitted(np.ones((2, 1)), VALUES).shape == (2, 1)
    assert weighting.fitted(np.float32(3), VALUES) == 3
    for shape in ((3,), (2, 2), (2, 3, 1, 1), (2, 3, 2)):
        with pytest.raises(ConfigError, match=r"sample_weight of shape .* does not fit"):
            weighting.fitted(np.ones(shape), VALUES)
    with pytest.raises(ConfigError, match="the mask of shape"):
        weighting.fitted(np.ones(3), VALUES, "the mask")


def test_weights_and_masks_multiply():
    a, b = np.float32([2, 3]), np.float32([[1, 0, 1], [1, 1, 0]])
    assert weighting.product(a, None) is a
    assert weighting.product(None, b) is b
    assert weighting.product(None, None) is None
    np.testing.assert_array_equal(weighting.product(a, b), [[2, 0, 2], [3, 3, 0]])
    assert weighting.spread(a, 3).shape == (2, 1, 1)
    assert weighting.spread(b, 2) is b


@pytest.mark.parametrize(
    ("reduction", "mask", "expected"),
    [
        ("sum_over_batch_size", False, [2 * 6 / 3, 3 * 15 / 3]),
        ("sum", False, [57, 57]),
        ("mean_with_sample_weight", False, [2 * 2 / 2.5, 3 * 5 / 2.5]),
        # Four of six positions count, so that each counts 1.5 times.
        ("sum_over_batch_size", True, [2 * 4 * 1.5 / 3, 3 * 9 * 1.5 / 3]),
        ("sum", True, [35, 35]),
    ],
)
def test_reductions(reduction, mask, expected):
    given = np.float32([[1, 0, 1], [1, 1, 0]]) if mask else None
    found = weighting.weighted(VALUES, np.float32([2, 3]), given, reduction)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_batch_in_which_nothing_counts_is_nothing():
    assert np.mean(weighting.weighted(VALUES, None, np.zeros((2, 3), np.float32))) == 0
    found = weighting.weighted(VALUES, np.zeros(2, np.float32), None, "mean_with_sample_weight")
    assert found.tolist() == [0, 0]
