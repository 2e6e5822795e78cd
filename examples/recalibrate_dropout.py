"""Dropout before a normalization leaves its moving variance wrong for prediction; re-estimation corrects it.

Dropout adds variance to what BatchNormalization sees in training and adds none at prediction time, so the moving
variance is too large (Li et al., 2018). Statistics re-estimated in training mode, with Dropout on, are as wrong;
`foldnet.recalibrate` takes them as the layers will see the data. Whether that helps depends on the network: where
Dropout stands right before BatchNormalization with nothing non-linear between it and the next Dense, the large
variance happens to fit, so let validation data decide, as `recalibrate` does.
"""

import sys

import numpy as np

import foldnet
from foldnet import Sequential, layers, optimizers

ROWS, BATCH = 5120, 32


def friedman(rows, seed):
    """A made-up regression: five of ten features matter, two of them together."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y - 25.0) / 33.0 + 0.1 * generator.normal(size=rows)
    return x.astype(np.float32), y.astype(np.float32)[:, None]


def network(rate, order):
    stack = [layers.Input((10,))]
    for _ in range(3):
        kinds = {
            "dropout": lambda: layers.Dropout(rate),
            "dense": lambda: layers.Dense(64),
            "relu": lambda: layers.Activation("relu"),
            "norm": layers.BatchNormalization,
        }
        stack += [kinds[name]() for name in order.split()]
    return Sequential([*stack, layers.Dense(1)])


def in_training_mode(model, x, y, epochs):
    """Statistics as a last pass in training mode gives them: learning rate 0, Dropout on."""
    model.compile(optimizers.Adam(0.0), "mse")
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)


def experiment(rate, steps, seed, order="dropout dense relu norm"):
    """Validation error with the moving statistics, re-estimated with Dropout off, and with Dropout on."""
    foldnet.utils.set_random_seed(seed)
    x, y = friedman(ROWS, seed)
    validation = friedman(2000, 1000 + seed)
    model = network(rate, order)
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=BATCH, epochs=max(1, steps * BATCH // ROWS), verbose=0)
    off = foldnet.recalibrate(model, x, validation_data=validation, keep_if_better=False)
    ratio = float(np.mean([np.mean(layer.variance_ratio) for layer in off.layers]))
    off.restore()
    in_training_mode(model, x, y, epochs=max(1, min(steps, 640) * BATCH // ROWS))
    on = float(np.mean((model.predict(validation[0]) - validation[1]) ** 2))
    return off.effect.before, off.effect.after, on, ratio


def main(seeds=1, longest=10_000):
    usual, direct = "dropout dense relu norm", "dense relu dropout norm"
    print(f"Mean validation error (mse), three blocks of 64 units, seeds: {seeds}\n")
    print(
        f"{'block':24} {'dropout':>7} {'steps':>6} {'moving':>8} {'off':>8} {'on':>8}  {'variance':>8}  off better"
    )
    rows = (
        (usual, 0.0, 160),
        (usual, 0.0, 1280),
        (usual, 0.3, 1280),
        (usual, 0.5, 1280),
        (usual, 0.5, 10_000),
        (direct, 0.5, 1280),
        (direct, 0.5, 10_000),
    )
    for order, rate, steps in dict.fromkeys(
        (order, rate, min(steps, longest)) for order, rate, steps in rows
    ):
        found = np.array([experiment(rate, steps, seed, order) for seed in range(seeds)])
        moving, off, on, ratio = found.mean(axis=0)
        better = int((found[:, 1] < found[:, 0]).sum())
        print(
            f"{order:24} {rate:7} {steps:6} {moving:8.3f} {off:8.3f} {on:8.3f}  {ratio:8.2f}  {better:4} of {seeds}"
        )
    print("\nmoving: as trained; off, on: re-estimated with Dropout off and on; variance: moving over true")


if __name__ == "__main__":  # five seeds, fits of 160 steps at most: python recalibrate_dropout.py 5 160
    main(*map(int, sys.argv[1:]))
