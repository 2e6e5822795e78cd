"""scikit-learn's own checks of what an estimator must do."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate": 0.03, "epochs": 60}

# The two fits it compares add the same numbers in another order; it asks for agreement to 1e-7 relative, which sums
# in float32 cannot give. What they do agree to is tested in test_weights.py.
ROUNDING = {
    f"check_sample_weight_equivalence_on_{kind}_data": "float32 sums taken in two orders differ by rounding"
    for kind in ("dense", "sparse")
}

# It gives a row twice in place of a weight of 2: rows are kept back by number, so the two are not divided alike.
EARLY = {
    "check_sample_weight_equivalence_on_sparse_data": "a class of one row cannot be learned and kept back"
}


@parametrize_with_checks(
    [
        FoldnetClassifier(**SETTINGS),
        FoldnetRegressor(**SETTINGS),
        FoldnetClassifier(
            **SETTINGS, normalization="batch", dropout=0.1, early_stopping=True, validation_fraction=0.4
        ),
    ],
    expected_failed_checks=lambda estimator: ROUNDING | (EARLY if estimator.early_stopping else {}),
)
def test_contract(estimator, check):
    check(estimator)
