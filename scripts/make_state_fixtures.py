"""Save networks in the middle of their training with tf_keras, and record where it goes from there.

    FIXTURE_FOLDER=tests/fixtures/states python scripts/make_state_fixtures.py

For each optimizer there is a ``.h5`` and a ``.keras`` of the moment after three epochs, and in ``weights.npz`` the
weights two epochs later. ``OPTIMIZERS`` and ``rows`` are what the tests and ``check_tf_keras_reads.py`` go by, too.
``layer_states`` beside the folder gets the same of the networks of ``state_networks.py``.
"""

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from state_networks import NETWORKS, NOT_IN_TF_KERAS, SETTINGS, network_of, rows_of

OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.003, "momentum": 0.9, "nesterov": True}),
    "adam": ("Adam", {"learning_rate": 0.01, "clipnorm": 0.5}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True, "weight_decay": 0.02}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.003, "momentum": 0.5, "centered": True}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "lion": ("Lion", {"learning_rate": 0.001}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    "average": ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}),
    "old_adam": ("legacy.Adam", {"learning_rate": 0.01}),
    "old_momentum": ("legacy.SGD", {"learning_rate": 0.003, "momentum": 0.9}),
}
"""Those of ``legacy`` have the variables, and their order, of tf.keras up to 2.10."""


def rows():
    """Inputs and targets."""
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    return x, np.sin(x[:, :1] * 2) + x[:, 1:2]


def main(folder):
    """Write the fixtures."""
    import tf_keras

    layers, (x, y) = tf_keras.layers, rows()
    later = {}
    for case, (name, settings) in OPTIMIZERS.items():
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(len(later))
        parts = [layers.Dense(4, activation="tanh"), layers.BatchNormalization(momentum=0.8), layers.Dense(4)]
        model = tf_keras.Sequential([layers.Input((4,)), *parts, layers.Dense(1)])
        optimizer = tf_keras.optimizers
        for part in name.split("."):
            optimizer = getattr(optimizer, part)
        model.compile(optimizer(**settings), "mse", metrics=["mae"])
        model.fit(x, y, epochs=3, **SETTINGS)
        model.save(folder / f"{case}.h5")
        if "." not in name:
            model.save(folder / f"{case}.keras")
        model.fit(x, y, epochs=2, **SETTINGS)
        later.update({f"{case}/{index}": weight for index, weight in enumerate(model.get_weights())})
    np.savez(folder / "weights.npz", **later)


def of_layers(folder):
    """Write the fixtures of layers, each as ``.h5`` or as ``.keras``."""
    import tf_keras

    # Fused, it would keep a variance with Bessel's correction, which no other library and no other axis does.
    plain = partial(tf_keras.layers.BatchNormalization, fused=False)
    lib = SimpleNamespace(**{**vars(tf_keras.layers), "BatchNormalization": plain})
    folder.mkdir(exist_ok=True)
    later = {}
    for number, name in enumerate(n for n in NETWORKS if n not in NOT_IN_TF_KERAS):
        kind, settings = NETWORKS[name][1]
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(number)
        model = network_of(lib, tf_keras.Model, name)
        model.compile(getattr(tf_keras.optimizers, kind)(**settings), "mse")
        model.fit(*rows_of(model), epochs=3, **SETTINGS)
        for ending in ("h5", "keras"):
            model.save(folder / f"{name}.{ending}")
        model.fit(*rows_of(model), epochs=2, **SETTINGS)
        model.trainable = True  # frozen weights would come last in their layer
        later.update({f"{name}/{index}": weight for index, weight in enumerate(model.get_weights())})
    np.savez(folder / "weights.npz", **later)


if __name__ == "__main__":
    main(Path(os.environ["FIXTURE_FOLDER"]))
    of_layers(Path(os.environ["FIXTURE_FOLDER"]).parent / "layer_states")
