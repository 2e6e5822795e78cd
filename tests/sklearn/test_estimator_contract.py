"""scikit-learn's own checks of what an estimator must do."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate": 0.03, "epochs": 60}


@parametrize_with_checks(
    [
        FoldnetClassifier(**SETTINGS),
        FoldnetRegressor(**SETTINGS),
    ],
)
def test_contract(estimator, check):
    check(estimator)
