"""Sample weights and class weights."""

import numpy as np
import pytest

from foldnet.errors import ConfigError, InputError
from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (6,), "learning_rate": 0.02, "epochs": 30, "random_state": 0}


def rows(count=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (count, 3))
    return x, x[:, 0] + 0.3 * rng.normal(size=count)


def test_a_whole_weight_is_so_many_rows():
    # One batch holds all rows, so that the fits differ by the rounding of sums alone.
    x, y = rows()
    weight = np.random.default_rng(1).integers(0, 5, len(x))
    repeated = np.repeat(x, weight, axis=0), np.repeat(y, weight)
    one = FoldnetRegressor(**SETTINGS, batch_size=200).fit(x, y, sample_weight=weight)
    other = FoldnetRegressor(**SETTINGS, batch_size=200).fit(*repeated)
    np.testing.assert_allclose(one.predict(x), other.predict(x), rtol=1e-4, atol=1e-5)
    plain = FoldnetRegressor(**SETTINGS, batch_size=200).fit(x, y)
    assert np.abs(plain.predict(x) - one.predict(x)).max() > 1e-3


@pytest.mark.parametrize("normalization", [None, "batch"])
def test_a_row_without_weight_is_absent(normalization):
    x, y = rows()
    weight = np.where(np.arange(len(x)) % 3 == 0, 0.0, 2.0)
    settings = SETTINGS | {"normalization": normalization, "batch_size": 8}
    one = FoldnetRegressor(**settings).fit(x, y, sample_weight=weight)
    other = FoldnetRegressor(**settings).fit(x[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(one.predict(x), other.predict(x))


def test_only_proportions_count():
    x, y = rows()
    weight = np.random.default_rng(1).uniform(0.1, 3, len(x))
    one, other = (FoldnetRegressor(**SETTINGS).fit(x, y, sample_weight=w) for w in (weight, 1024 * weight))
    np.testing.assert_array_equal(one.predict(x), other.predict(x))


def test_weights_that_are_none():
    x, y = rows()
    with pytest.raises(ValueError, match="zero"):
        FoldnetRegressor(**SETTINGS).fit(x, y, sample_weight=np.zeros(len(x)))
    with pytest.raises(InputError, match="all zero"):
        FoldnetClassifier(**SETTINGS, class_weight={True: 0, False: 0}).fit(x, y > 0)
    with pytest.raises(ValueError, match="Negative values"):
        FoldnetRegressor(**SETTINGS).fit(x, y, sample_weight=-np.ones(len(x)))


def test_class_weights_by_label():
    x, y = rows(60)
    labels = np.where(y > 0, "yes", "no")
    given = FoldnetClassifier(**SETTINGS, class_weight={"yes": 4.0}).fit(x, labels)
    as_rows = FoldnetClassifier(**SETTINGS).fit(x, labels, sample_weight=np.where(labels == "yes", 4.0, 1.0))
    np.testing.assert_array_equal(given.predict_proba(x), as_rows.predict_proba(x))
    plain = FoldnetClassifier(**SETTINGS).fit(x, labels)
    assert given.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean() + 0.02


def test_balanced_weights():
    x, y = rows(60)
    labels = y > 0.9
    share = labels.mean()
    balanced = FoldnetClassifier(**SETTINGS, class_weight="balanced").fit(x, labels)
    by_hand = FoldnetClassifier(**SETTINGS, class_weight={True: 0.5 / share, False: 0.5 / (1 - share)})
    np.testing.assert_allclose(
        balanced.predict_proba(x), by_hand.fit(x, labels).predict_proba(x), rtol=1e-4, atol=1e-6
    )


def test_a_weight_for_no_class():
    x, y = rows()
    with pytest.raises(ConfigError, match=r"class_weight names \['maybe'\]"):
        FoldnetClassifier(**SETTINGS, class_weight={"maybe": 2}).fit(x, np.where(y > 0, "yes", "no"))
