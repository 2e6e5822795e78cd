"""Shared code of the classifier and the regressor: settings, fitting, continuing, pickling."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from foldnet.arrays import Array
from foldnet.at_once import as_piece
from foldnet.callbacks import EarlyStopping
from foldnet.errors import ConfigError, InputError
from foldnet.network import Model
from foldnet.optimizers import Optimizer
from foldnet.predictor import Predictor
from foldnet.sequential import Sequential
from foldnet.sklearn import sparse
from foldnet.sklearn.design import (
    Design,
    batch_size_without_single_row,
    check_settings,
    column_statistics,
    new_seed,
)
from foldnet.sklearn.shares import own_share
from foldnet.training import optimizers
from foldnet.training.user_data import trainer_for


class FoldnetEstimator(BaseEstimator):
    """Base class of the estimators: a network of Dense layers, trained by ``Network.fit``."""

    model_: Sequential
    history_: dict[str, list[Any]]
    loss_curve_: list[float]
    n_iter_: int
    _design: Design
    _outputs: Model

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int],
        activation: Any,
        dropout: float,
        normalization: str | None,
        normalization_place: str,
        normalization_momentum: float,
        input_normalization: bool,
        l2: float,
        optimizer: Any,
        learning_rate: Any,
        batch_size: int,
        epochs: int,
        early_stopping: bool,
        validation_fraction: float,
        patience: int,
        min_delta: float,
        warm_start: bool,
        callbacks: Sequence[Any] | None,
        verbose: Any,
        random_state: Any,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
        self.normalization_place = normalization_place
        self.normalization_momentum = normalization_momentum
        self.input_normalization = input_normalization
        self.l2 = l2
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.min_delta = min_delta
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    # -- what the two kinds differ in -----------------------------------------------------------------------

    def _read_target(self, y: Any, first: bool) -> Array:
        """Targets for the network, float32; with ``first``, earlier knowledge about targets is discarded."""
        raise TypeError(f"{type(self).__name__} does not say what its targets are")

    def _dense_target(self, y: Any) -> Any:
        """The targets unchanged, or dense if the estimator accepts sparse targets."""
        return y

    def _head(self) -> tuple[int, str | None, Any]:
        """Units of the last layer, the activation after it, and the loss."""
        raise TypeError(f"{type(self).__name__} does not say how its network ends")

    def _row_weights(self, y: Array, weight: Array, whole: bool) -> Array:
        """The weights of rows with these targets; ``whole`` if they are all of the data."""
        return weight

    def _strata(self, y: Array) -> Array | None:
        """The strata for the sample of rows kept for early stopping."""
        return None

    # -- fitting --------------------------------------------------------------------------------------------

    def _fit(self, x: Any, y: Any, sample_weight: Any, *, again: bool, epochs: int, whole: bool) -> None:
        """Train on the rows; with ``again``, continue with the existing network, if there is one."""
        check_settings(self.get_params(deep=False))
        again = again and hasattr(self, "model_")
        first = not again
        with np.errstate(over="ignore", invalid="ignore"):  # values that overflow float32 are refused
            x, y = validate_data(
                self,
                x,
                self._dense_target(y),
                reset=first,
                dtype=np.float32,
                multi_output=True,
                accept_sparse="csr",
            )
        target = self._read_target(y, first)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        weights = self._row_weights(target, np.ones(x.shape[0]) if weight is None else weight, whole)
        # A row of weight 0 counts as absent, also in the statistics that normalizations learn.
        present = weights > 0
        if not present.any():
            raise InputError("the sample weights are all zero, so there is nothing to learn from")
        if not present.all():
            x, target, weights = x[present], target[present], weights[present]
            weight = None if weight is None else weight[present]
        generator = check_random_state(self.random_state)
        kept_back = None
        if self.early_stopping and whole:
            (x, held_x, target, held_target, weights, held_weights) = train_test_split(
                x, target, weights,
                test_size=self.validation_fraction, random_state=generator, stratify=self._strata(target),
            )  # fmt: skip
            held_x = held_x.toarray() if issparse(held_x) else held_x
            kept_back = (held_x, held_target, held_weights / held_weights.mean())
        if first:
            self._start(x, weights, generator)
        else:
            self._go_on()
        self._train(x, target, weights / weights.mean(), kept_back, epochs)

    def _learner(self) -> Sequential:
        """The network that is trained."""
        return self.model_

    def _make_design(self) -> Design:
        units, last, _ = self._head()
        return Design(
            features=int(self.n_features_in_),
            outputs=units,
            last=last,
            hidden=tuple(int(n) for n in self.hidden_layer_sizes),
            activation=self.activation,
            dropout=float(self.dropout),
            normalization=self.normalization,
            normalization_place=self.normalization_place,
            normalization_momentum=float(self.normalization_momentum),
            input_normalization=bool(self.input_normalization),
            l2=float(self.l2),
        )

    def _start(self, x: Array, weights: Array, generator: np.random.RandomState) -> None:
        design = self._make_design()
        given = (sparse.statistics if issparse(x) else column_statistics)(x, weights)
        network = design.build(given, generator)
        network.compile(self._new_optimizer(), self._head()[2])
        trainer_for(network).seed = new_seed(generator)
        values = network.get_layer("output").output
        results = [values] if design.last is None else [values, network.outputs[0]]
        self._design = design
        self.model_ = network
        self._outputs = Model(network.inputs[0], results, name="outputs")
        self.history_ = {}
        self.n_iter_ = 0

    def _new_optimizer(self) -> Optimizer:
        if isinstance(self.optimizer, Optimizer):
            if self.learning_rate is not None:
                raise ConfigError(
                    "give the learning_rate to the optimizer itself, or the optimizer by its name"
                )
            optimizer = deepcopy(self.optimizer)  # an estimator must not change its settings
            optimizer.iterations = 0
            return optimizer
        given = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        return optimizers.deserialize({"class_name": self.optimizer, "config": given})

    def _go_on(self) -> None:
        now = self._make_design()
        if now != self._design:
            names = [k for k, v in vars(self._design).items() if v != getattr(now, k)]
            raise ConfigError(
                f"the fitted network cannot be trained further: {', '.join(names)} changed since it was made. "
                "Fit with warm_start=False to start again."
            )
        if isinstance(self.learning_rate, float | int):
            trainer_for(self._learner()).compiled.optimizer.learning_rate = self.learning_rate

    def _train(self, x: Array, y: Array, weights: Array, kept_back: Any, epochs: int) -> None:
        callbacks = list(self.callbacks or ())
        if kept_back is not None:
            callbacks.append(
                EarlyStopping("val_loss", self.min_delta, self.patience, restore_best_weights=True)
            )
        size = batch_size_without_single_row(x.shape[0], int(self.batch_size))
        rows: dict[str, Any] = {"x": x, "y": y, "sample_weight": weights, "batch_size": size}
        if issparse(x):
            orders = new_seed(check_random_state(self.random_state))
            rows = {"x": sparse.SparseRows(x, y, weights, size, orders), "shuffle": False}
        with as_piece(own_share()):
            history = self._learner().fit(
                **rows, epochs=epochs, validation_data=kept_back, callbacks=callbacks, verbose=self.verbose
            )
        for name, values in history.history.items():
            self.history_[name] = [*self.history_.get(name, []), *values]
        self.loss_curve_ = self.history_["loss"]
        self.n_iter_ += len(history.epoch)

    # -- predicting -----------------------------------------------------------------------------------------

    def _compute(self, x: Any) -> list[Array]:
        """The last Dense layer's result for each row, then the network's result, if different."""
        check_is_fitted(self, "model_")
        with np.errstate(over="ignore", invalid="ignore"):
            x = validate_data(self, x, reset=False, dtype=np.float32, accept_sparse="csr")
        results = self._outputs.predict(sparse.batches(x) if issparse(x) else x)
        arrays = results if isinstance(results, list | tuple) else [results]
        return [a.astype(np.float64) for a in arrays]  # the dtype of scikit-learn's estimators and scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def freeze(self, **options: Any) -> Predictor:
        """The trained network as one plain function, including preprocessing; see ``foldnet.freeze``.

        Args:
            options: of ``foldnet.freeze``, such as ``engine``.

        Raises:
            NotFittedError: before ``fit``.
        """
        from foldnet.predictor import freeze

        check_is_fitted(self, "model_")
        return freeze(self.model_, **options)
