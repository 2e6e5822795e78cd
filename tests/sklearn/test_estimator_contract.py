"""scikit-learn's own checks of what an estimator must do."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate": 0.03, "epochs": 60}

# The two fits it compares add the same numbers in another order; it asks for agreement to 1e-7 relative, which sums
# in float32 cannot give. What they do agree to is tested in test_weights.py.
ROUNDING = {
    "check_sample_weight_equivalence_on_dense_data": "float32 sums taken in two orders differ by rounding"
}


@parametrize_with_checks(
    [
        FoldnetClassifier(**SETTINGS),
        FoldnetRegressor(**SETTINGS),
        FoldnetClassifier(
            **SETTINGS, normalization="batch", dropout=0.1, early_stopping=True, validation_fraction=0.4
        ),
    ],
    expected_failed_checks=lambda estimator: ROUNDING,
)
def test_contract(estimator, check):
    check(estimator)
