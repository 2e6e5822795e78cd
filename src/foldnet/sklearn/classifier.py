"""FoldnetClassifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.sklearn.estimator import FoldnetEstimator


class FoldnetClassifier(ClassifierMixin, FoldnetEstimator):
    """A network of Dense layers that predicts classes, for scikit-learn.

    Two classes need one unit with a sigmoid, more classes one unit per class with a softmax; the loss is the
    crossentropy. If y is a table of 0 and 1 with a column per label (multilabel), each label has a sigmoid.
    Tables of scipy.sparse are made dense a batch at a time. A hidden layer is Dense, normalization (if any),
    activation, Dropout (if any).

    Args:
        hidden_layer_sizes: units of each hidden layer; ``()`` is logistic regression.
        activation: of the hidden layers, by Keras's name, or one of ``foldnet.activations``.
        dropout: share of a hidden layer's values that training sets to zero.
        normalization: ``"batch"`` or ``"layer"``, or None.
        normalization_place: ``"before"`` the activation or ``"after"`` it. Before is the usual place: there
            BatchNormalization folds into the Dense layer and costs nothing at prediction time.
        normalization_momentum: share of BatchNormalization's moving statistics that a step keeps. Keras's default
            0.99 needs several hundred steps; 0.9 also converges in short fits of small tables.
        input_normalization: whether the network begins by scaling each column to mean 0 and variance 1, by the
            statistics of the rows it was first trained on.
        l2: factor of the squared kernels in the loss.
        optimizer: by Keras's name, or one of ``foldnet.optimizers``, which is copied.
        learning_rate: a number or a schedule; None for the optimizer's own default.
        batch_size: rows per step. It is slightly larger if a single row would be left at the end.
        epochs: the largest number of epochs.
        class_weight: of each class, by label; or ``"balanced"``; None for equal weights.
        early_stopping: whether to keep rows for validation, and stop when the loss on them no longer improves; the
            weights of the best epoch are kept.
        validation_fraction: share of the rows kept for validation, with the same share of each class.
        patience: epochs to wait for a better loss.
        min_delta: the smallest change that counts as an improvement.
        warm_start: whether ``fit`` continues with the network and the optimizer's state of the previous fit.
        callbacks: ``foldnet.callbacks``, for example to show progress.
        verbose: as in Keras's ``fit``.
        random_state: seed of weights, shuffling, Dropout, and the choice of validation rows.

    Attributes:
        model_: the trained ``foldnet.Sequential``: save it, freeze it, explain it.
        classes_: labels, in the order of the columns of ``predict_proba``.
        n_features_in_: number of columns in ``fit``.
        feature_names_in_: their names, if they have names that are all strings.
        history_: the values of each log of the fit by epoch.
        loss_curve_: the training loss by epoch.
        n_iter_: number of epochs.

    Only the proportions of sample weights matter; a row of weight 0 counts as absent.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]] * 8)
    >>> y = np.array(["low", "low", "high", "high"] * 8)
    >>> model = FoldnetClassifier((8,), learning_rate=0.05, epochs=50, random_state=0).fit(x, y)
    >>> model.predict([[0.0], [3.0]]).tolist()
    ['low', 'high']
    """

    classes_: Array
    _labels: bool = False

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64,),
        activation: Any = "relu",
        *,
        dropout: float = 0.0,
        normalization: str | None = None,
        normalization_place: str = "before",
        normalization_momentum: float = 0.9,
        input_normalization: bool = True,
        l2: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = None,
        batch_size: int = 32,
        epochs: int = 100,
        class_weight: Mapping[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        warm_start: bool = False,
        callbacks: Sequence[Any] | None = None,
        verbose: Any = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes, activation, dropout, normalization, normalization_place, normalization_momentum,
            input_normalization, l2, optimizer, learning_rate, batch_size, epochs, early_stopping,
            validation_fraction, patience, min_delta, warm_start, callbacks, verbose, random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network; with ``warm_start`` continue with the existing one.

        Args:
            X: table of numbers of shape (rows, columns).
            y: a label per row: numbers, strings or booleans; or a table of 0 and 1, a column per label.
            sample_weight: a weight per row, 0 or more.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a setting is invalid (it is a ValueError).
            ValueError: data that scikit-learn's checks refuse.
        """
        self._fit(X, y, sample_weight, again=self.warm_start, epochs=self.epochs, whole=True)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, with the existing network and optimizer state.

        Args:
            X: table of numbers of shape (rows, columns). The statistics of the first call scale the input in all
                later calls.
            y: a label per row.
            classes: all possible labels; required in the first call.
            sample_weight: a weight per row.

        Raises:
            InputError: labels are not among the classes, or the first call names none (it is a ValueError).
        """
        if self.class_weight == "balanced":
            raise ConfigError(
                "class_weight='balanced' needs all rows at once; give partial_fit's weights by label"
            )
        if hasattr(self, "model_"):
            if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                raise InputError(f"classes are {list(self.classes_)} since the first call, and cannot change")
        elif classes is None:
            raise InputError("the first call of partial_fit needs classes, all labels there will be")
        self._given_classes = classes
        try:
            self._fit(X, y, sample_weight, again=True, epochs=1, whole=False)
        finally:
            del self._given_classes
        return self

    def _read_target(self, y: Any, first: bool) -> Array:
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            return self._read_labels(np.asarray(y), first)
        if not first and self._labels:
            raise InputError(
                "the network predicts several labels for each row, and y has one label for each row"
            )
        y = column_or_1d(y, warn=True)
        self._labels = False
        given = getattr(self, "_given_classes", None)
        classes = self.classes_ if not first else np.unique(y if given is None else given)
        if len(classes) < 2:
            raise InputError(
                f"Classifier can't train when only one class is present: {type(self).__name__} needs at least two"
            )
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise InputError(f"labels {unknown.tolist()} are not among the classes {classes.tolist()}")
        self.classes_ = classes
        return np.searchsorted(classes, y).astype(np.float32)

    def _read_labels(self, y: Array, first: bool) -> Array:
        """Several labels per row, each 0 or 1."""
        if not first and (not self._labels or y.shape[1] != len(self.classes_)):
            raise InputError(
                f"y has {y.shape[1]} labels for each row, which the fitted network does not predict"
            )
        given = getattr(self, "_given_classes", None)
        if first and given is not None and len(np.unique(given)) != y.shape[1]:
            raise InputError(
                f"y has {y.shape[1]} labels for each row, and classes names {len(np.unique(given))}"
            )
        if first:
            self._labels = True
            self.classes_ = np.arange(y.shape[1]) if given is None else np.unique(given)
        return y.astype(np.float32)

    def _dense_target(self, y: Any) -> Any:
        return y.toarray() if issparse(y) else y

    def _head(self) -> tuple[int, str | None, Any]:
        if self._labels:
            return len(self.classes_), "sigmoid", "binary_crossentropy"
        if len(self.classes_) == 2:
            return 1, "sigmoid", "binary_crossentropy"
        return len(self.classes_), "softmax", "sparse_categorical_crossentropy"

    def _row_weights(self, y: Array, weight: Array, whole: bool) -> Array:
        if self.class_weight is None:
            return weight
        if self._labels:
            raise ConfigError("class_weight is for one label per row; with several give fit a sample_weight")
        labels = self.classes_[y.astype(np.intp)]
        if isinstance(self.class_weight, Mapping):
            unknown = [label for label in self.class_weight if label not in self.classes_]
            if unknown:
                raise ConfigError(f"class_weight names {unknown}; the classes are {self.classes_.tolist()}")
            return weight * np.array([float(self.class_weight.get(label, 1.0)) for label in labels])
        if self.class_weight != "balanced":
            raise ConfigError(
                f"class_weight must be a dict by label, 'balanced' or None; got {self.class_weight!r}"
            )
        return weight * compute_sample_weight("balanced", labels)

    def _strata(self, y: Array) -> Array | None:
        return None if self._labels else y

    def decision_function(self, X: Any) -> Array:
        """The input of the sigmoid or softmax, which ranks rows even if probabilities round to 0 or 1.

        Returns:
            Of shape (rows,) for two classes, positive for the second; else (rows, classes).
        """
        values = self._compute(X)[0]
        return values[:, 0] if len(self.classes_) == 2 and not self._labels else values

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, of shape (rows, classes): float64, but with float32's precision."""
        p = self._compute(X)[-1]
        return np.hstack([1 - p, p]) if len(self.classes_) == 2 and not self._labels else p

    def predict(self, X: Any) -> Array:
        """The most probable label of each row; with several labels per row, 1 for each with a probability above 0.5."""
        values = self.decision_function(X)
        if self._labels:
            return (values > 0).astype(np.intp)
        places = (values > 0).astype(np.intp) if values.ndim == 1 else values.argmax(axis=1)
        return self.classes_[places]
