"""scikit-learn's MLPRegressor, in float32, from given weights."""

from __future__ import annotations

import warnings

from cases import Training
from sklearn.neural_network import MLPRegressor

from peers import Trainers


def trainer(case: Training, threads: int) -> Trainers:
    if case.network.normalized or case.network.dropout:
        raise NotImplementedError("an MLPRegressor has neither BatchNormalization nor Dropout")
    warnings.simplefilter("ignore")  # it warns that so few epochs do not converge
    x, y = case.data
    y = y[:, 0] if y.shape[1] == 1 else y
    model = MLPRegressor(
        hidden_layer_sizes=case.network.units[1:-1], activation=case.network.activation, alpha=0, batch_size=case.batch,
        learning_rate_init=0.001, epsilon=1e-7, shuffle=False, max_iter=1, tol=0, n_iter_no_change=10**9,
        warm_start=True,
    )  # fmt: skip
    model.fit(x[: case.batch], y[: case.batch])  # makes the arrays
    model.coefs_ = [kernel for kernel, _ in case.start]
    model.intercepts_ = [bias for _, bias in case.start]

    def run(epochs: int) -> float:
        model.set_params(max_iter=epochs)
        model.fit(x, y)
        return 2 * model.loss_curve_[-1]

    yield "", run
