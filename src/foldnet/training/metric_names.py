"""Every metric by its Keras name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foldnet.training import accuracies as a
from foldnet.training import confusion, curves, f_scores, losses, regressions
from foldnet.training import loss_functions as f
from foldnet.training.lookup import Kind, look_up
from foldnet.training.metric import Metric
from foldnet.training.metrics import Mean, MeanMetricWrapper, Sum

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **f.FUNCTIONS,
    "accuracy": a.accuracy,
    "binary_accuracy": a.binary_accuracy,
    "categorical_accuracy": a.categorical_accuracy,
    "sparse_categorical_accuracy": a.sparse_categorical_accuracy,
    "top_k_categorical_accuracy": a.top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy": a.sparse_top_k_categorical_accuracy,
    "pearson_correlation": regressions.pearson_correlation,
    "concordance_correlation": regressions.concordance_correlation,
}
"""Functions that return one number per row; the mean is the metric."""


def _mean_class(
    title: str,
    function: Callable[..., Any],
    default_name: str,
    order: Sequence[str] = (),
    omitted_settings: Sequence[str] = (),
) -> type[MeanMetricWrapper]:
    """Make a class for the mean of a function, with the function's settings as arguments, in Keras's order.

    ``omitted_settings`` are left out of ``get_config``, or only written when they differ from the default.
    """
    defaults = losses.defaults_of(function)
    names = order or ["name", "dtype", *defaults]

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        given = losses.bound(title, names, args, kwargs)
        name, dtype = given.pop("name", None) or default_name, given.pop("dtype", None)
        MeanMetricWrapper.__init__(self, function, name, dtype, **{**defaults, **given})

    def get_config(self: Any) -> dict[str, Any]:
        """Settings under Keras's names."""
        said = {k: v for k, v in self.settings.items() if k not in omitted_settings}
        return {"name": self.name, "dtype": self.dtype, **said, **_changed(self, said_if_changed)}

    def kept(self: Any) -> dict[str, Any]:
        """Settings that Keras's ``get_config`` leaves out but ``from_config`` accepts."""
        return {k: v for k, v in _changed(self, omitted_settings).items() if k not in said_if_changed}

    def _changed(self: Any, which: Sequence[str]) -> dict[str, Any]:
        return {k: self.settings[k] for k in which if self.settings[k] != defaults[k]}

    said_if_changed = [name for name in omitted_settings if name == "from_sorted_ids"]
    doc = f"The mean over all rows of: {function.__doc__}"
    # The public module, so that pickle finds the class.
    members = {
        "__init__": initialize, "get_config": get_config, "omitted_settings": kept, "from_config": classmethod(_made),
        "__doc__": doc, "__module__": "foldnet.metrics", "__qualname__": title,
    }  # fmt: skip
    return type(title, (MeanMetricWrapper,), members)


def _made(cls: Any, config: Mapping[str, Any]) -> Any:
    """Create one from the settings that ``get_config`` returns."""
    return cls(**config)


_MEANS: dict[str, tuple[Any, ...]] = {
    "Accuracy": (a.accuracy, "accuracy"),
    "BinaryAccuracy": (a.binary_accuracy, "binary_accuracy"),
    "CategoricalAccuracy": (a.categorical_accuracy, "categorical_accuracy"),
    "SparseCategoricalAccuracy": (a.sparse_categorical_accuracy, "sparse_categorical_accuracy"),
    "TopKCategoricalAccuracy": (
        a.top_k_categorical_accuracy,
        "top_k_categorical_accuracy",
        ("k", "name", "dtype"),
    ),
    "SparseTopKCategoricalAccuracy": (
        a.sparse_top_k_categorical_accuracy,
        "sparse_top_k_categorical_accuracy",
        ("k", "name", "dtype", "from_sorted_ids"),
        ("from_sorted_ids",),
    ),
    "BinaryCrossentropy": (f.binary_crossentropy, "binary_crossentropy", (), ("axis",)),
    "CategoricalCrossentropy": (f.categorical_crossentropy, "categorical_crossentropy"),
    "SparseCategoricalCrossentropy": (
        f.sparse_categorical_crossentropy,
        "sparse_categorical_crossentropy",
    ),
    "KLDivergence": (f.kl_divergence, "kl_divergence"),
    "Poisson": (f.poisson, "poisson"),
    "MeanSquaredError": (f.mean_squared_error, "mean_squared_error"),
    "MeanAbsoluteError": (f.mean_absolute_error, "mean_absolute_error"),
    "MeanAbsolutePercentageError": (f.mean_absolute_percentage_error, "mean_absolute_percentage_error"),
    "MeanSquaredLogarithmicError": (f.mean_squared_logarithmic_error, "mean_squared_logarithmic_error"),
    "CosineSimilarity": (regressions.cosine_similarity, "cosine_similarity", (), ("axis",)),
    "LogCoshError": (f.log_cosh, "logcosh"),
    "Hinge": (f.hinge, "hinge"),
    "SquaredHinge": (f.squared_hinge, "squared_hinge"),
    "CategoricalHinge": (f.categorical_hinge, "categorical_hinge"),
    "PearsonCorrelation": (regressions.pearson_correlation, "pearson_correlation"),
    "ConcordanceCorrelation": (regressions.concordance_correlation, "concordance_correlation"),
}

CLASSES: dict[str, type[Metric]] = {
    **{title: _mean_class(title, *entry) for title, entry in _MEANS.items()},
    **{
        cls.__name__: cls
        for cls in (
            regressions.RootMeanSquaredError,
            regressions.R2Score,
            confusion.TruePositives,
            confusion.FalsePositives,
            confusion.TrueNegatives,
            confusion.FalseNegatives,
            confusion.Precision,
            confusion.Recall,
            curves.SensitivityAtSpecificity,
            curves.SpecificityAtSensitivity,
            curves.PrecisionAtRecall,
            curves.RecallAtPrecision,
            curves.AUC,
            f_scores.FBetaScore,
            f_scores.F1Score,
        )
    },
}
"""Every metric class that takes targets and outputs, by its Keras name."""

_KIND = Kind(
    "metric",
    Metric,
    {**CLASSES, "Mean": Mean, "Sum": Sum, "MeanMetricWrapper": MeanMetricWrapper},
    FUNCTIONS,
    MeanMetricWrapper,
    by_class=True,
)


def get(identifier: Any) -> Metric:
    """Get a metric from a metric object, class, function, name, or Keras's stored configuration.

    Raises:
        ConfigError: the name is unknown.

    >>> get("mae").name
    'mean_absolute_error'
    """
    found: Metric = look_up(identifier, _KIND)
    return found
