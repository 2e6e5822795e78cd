"""FoldnetRegressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.layers import Rescaling
from foldnet.network import Model
from foldnet.sequential import Sequential
from foldnet.sklearn.design import column_statistics
from foldnet.sklearn.estimator import FoldnetEstimator


class FoldnetRegressor(RegressorMixin, FoldnetEstimator):
    """A network of Dense layers that predicts one number per row, or several, for scikit-learn.

    A hidden layer is Dense, normalization (if any), activation, Dropout (if any); the last layer is linear. If
    targets are far from 0 or have a large spread (prices, for example), use ``normalize_target=True``. It is not the
    default, because some losses such as ``"poisson"`` need the original targets.

    Args:
        hidden_layer_sizes: units of each hidden layer; ``()`` is linear regression.
        activation: of the hidden layers, by Keras's name, or one of ``foldnet.activations``.
        loss: by Keras's name, or one of ``foldnet.losses``.
        dropout: share of a hidden layer's values that training sets to zero.
        normalization: ``"batch"`` or ``"layer"``, or None.
        normalization_place: ``"before"`` the activation or ``"after"`` it. Before is the usual place: there
            BatchNormalization folds into the Dense layer and costs nothing at prediction time.
        normalization_momentum: share of BatchNormalization's moving statistics that a step keeps. Keras's default
            0.99 needs several hundred steps; 0.9 also converges in short fits of small tables.
        input_normalization: whether the network begins by scaling each column to mean 0 and variance 1, by the
            statistics of the rows it was first trained on.
        normalize_target: whether targets are learned with mean 0 and variance 1, by the statistics of the rows of
            the first training. The last layer of ``model_`` converts predictions back to the targets' unit; losses
            (in ``history_`` too) are of the normalized targets.
        l2: factor of the squared kernels in the loss.
        optimizer: by Keras's name, or one of ``foldnet.optimizers``, which is copied.
        learning_rate: a number or a schedule; None for the optimizer's own default.
        batch_size: rows per step. It is slightly larger if a single row would be left at the end.
        epochs: the largest number of epochs.
        early_stopping: whether to keep rows for validation, and stop when the loss on them no longer improves; the
            weights of the best epoch are kept.
        validation_fraction: share of the rows kept for validation.
        patience: epochs to wait for a better loss.
        min_delta: the smallest change that counts as an improvement.
        warm_start: whether ``fit`` continues with the network and the optimizer's state of the previous fit.
        callbacks: ``foldnet.callbacks``, for example to show progress.
        verbose: as in Keras's ``fit``.
        random_state: seed of weights, shuffling, Dropout, and the choice of validation rows.

    Attributes:
        model_: the trained ``foldnet.Sequential``: save it, freeze it, explain it.
        n_outputs_: numbers per row.
        n_features_in_: number of columns in ``fit``.
        feature_names_in_: their names, if they have names that are all strings.
        history_: the values of each log of the fit by epoch.
        loss_curve_: the training loss by epoch.
        n_iter_: number of epochs.

    Only the proportions of sample weights matter; a row of weight 0 counts as absent.

    >>> import numpy as np
    >>> x = np.linspace(0, 1, 64)[:, None]
    >>> model = FoldnetRegressor((16,), learning_rate=0.02, epochs=100, random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.95)
    True
    """

    n_outputs_: int
    _core: Sequential
    _target_scale: tuple[Array, Array] | None

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64,),
        activation: Any = "relu",
        *,
        loss: Any = "mean_squared_error",
        dropout: float = 0.0,
        normalization: str | None = None,
        normalization_place: str = "before",
        normalization_momentum: float = 0.9,
        input_normalization: bool = True,
        normalize_target: bool = False,
        l2: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = None,
        batch_size: int = 32,
        epochs: int = 100,
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
        self.loss = loss
        self.normalize_target = normalize_target

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network; with ``warm_start`` continue with the existing one.

        Args:
            X: table of numbers of shape (rows, columns).
            y: targets of shape (rows,) or (rows, outputs).
            sample_weight: a weight per row, 0 or more.

        Returns:
            The estimator itself.

        Raises:
            ConfigError: a setting is invalid (it is a ValueError).
            ValueError: data that scikit-learn's checks refuse.
        """
        self._fit(X, y, sample_weight, again=self.warm_start, epochs=self.epochs, whole=True)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, with the existing network and optimizer state.

        Args:
            X: table of numbers of shape (rows, columns). The statistics of the first call scale the input in all
                later calls.
            y: targets of shape (rows,) or (rows, outputs).
            sample_weight: a weight per row.
        """
        self._fit(X, y, sample_weight, again=True, epochs=1, whole=False)
        return self

    def _read_target(self, y: Any, first: bool) -> Array:
        with np.errstate(over="ignore"):  # values that overflow are refused
            y = np.asarray(y, np.float32)
        if not np.isfinite(y).all():
            raise InputError("Input y contains numbers too large for float32; divide them all by one number")
        if first:
            self._flat = y.ndim == 1
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        if first:
            self._target_scale = None
        return y.reshape(len(y), -1)

    def _start(self, x: Any, weights: Array, generator: Any) -> None:
        super()._start(x, weights, generator)
        self._core = self.model_

    def _learner(self) -> Sequential:
        return self._core

    def _train(self, x: Any, y: Array, weights: Array, kept_back: Any, epochs: int) -> None:
        if bool(self.normalize_target) is not (self._target_scale is not None) and self.n_iter_:
            raise ConfigError(
                "normalize_target changed since the network was made; fit with warm_start=False"
            )
        if self.normalize_target:
            known = self._target_scale
            mean, scale = self._scale_target(column_statistics(y, weights)) if known is None else known
            y = ((y - mean) / scale).astype(np.float32)
            if kept_back is not None:
                held_x, held_y, held_weights = kept_back
                kept_back = held_x, ((held_y - mean) / scale).astype(np.float32), held_weights
        super()._train(x, y, weights, kept_back, epochs)

    def _scale_target(self, statistics: tuple[Array, Array]) -> tuple[Array, Array]:
        """Add a last layer to the prediction network that converts results back to the targets' unit."""
        mean, scale = statistics[0], np.sqrt(statistics[1])
        self._target_scale = mean, scale
        numbers = [float(v[0]) if len(v) == 1 else v.tolist() for v in (scale, mean)]
        back = Rescaling(*numbers, name="target")
        self.model_ = Sequential([*self._core.inputs, *self._core.layers, back], name="network")
        self._outputs = Model(self.model_.inputs[0], self.model_.outputs[0], name="outputs")
        return mean, scale

    def _head(self) -> tuple[int, str | None, Any]:
        return self.n_outputs_, None, self.loss

    def predict(self, X: Any) -> Array:
        """Predictions: of shape (rows,), or (rows, outputs) where the targets had two axes.

        They are float64, as scikit-learn's scores expect, but with float32's precision.
        """
        values = self._compute(X)[-1]
        return values[:, 0] if self._flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
