"""Check by hand that tf_keras opens the ``.h5`` files that foldnet saves, and predicts and trains the same.

tf_keras wants TensorFlow, which the tests do without, so this is run in two steps, each by its own Python::

    python scripts/check_tf_keras_reads.py write FOLDER          # with foldnet
    python scripts/check_tf_keras_reads.py read FOLDER           # with tf_keras and NumPy

Those saved with ``include_optimizer="tf_keras"`` must go on there from the state of the optimizer. The second step
writes down which settings tf_keras takes of each layer, for ``tests/files/test_for_tf_keras.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from make_state_fixtures import OPTIMIZERS as STATES
from make_state_fixtures import rows
from state_networks import NETWORKS, NOT_IN_TF_KERAS, SETTINGS, network_of, rows_of

ROOT = Path(__file__).parent.parent
OPENS = ROOT / "tests" / "fixtures" / "tf_keras_opens.json"
OPTIMIZERS = ("SGD", "Adam", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta")


def networks() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Networks that try every way in which layers and calls are written, each with the shape of its rows."""
    from foldnet import layers
    from foldnet.network import Model
    from foldnet.sequential import Sequential

    x = layers.Input((4,))
    inner = Model(
        x, layers.BatchNormalization()(layers.Dense(4, activation=layers.LeakyReLU(0.1))(x)), name="inner"
    )
    chain = Sequential(
        [layers.Input((4,)), layers.Dense(4, activation="swish"), layers.Dropout(0.2)], name="chain"
    )
    shared = layers.Dense(4, name="shared", kernel_regularizer="l2")
    y = layers.Input((4,))
    joined = layers.Add()([inner(chain(y)), inner(y), shared(shared(y))])
    nested = Model(y, [chain(joined), inner(joined), layers.Concatenate()([joined, y])])

    frozen = Sequential([layers.Input((4,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(4)])
    frozen.layers[0].trainable = False
    several = Sequential([layers.Input((3, 2, 4)), layers.BatchNormalization(axis=[1, 3]), layers.Flatten()])
    plain = Sequential([layers.Input((6, 4)), layers.LayerNormalization(), layers.GroupNormalization(2)])
    for layer in (layers.PReLU(shared_axes=[1]), layers.ELU(0.5), layers.ReLU(6.0, 0.1), layers.Softmax()):
        plain.add(layer)
    for layer in (layers.UnitNormalization(), layers.SpatialDropout1D(0.3), layers.Rescaling(2.0, 0.5)):
        plain.add(layer)
    for layer in (
        layers.Permute((2, 1)),
        layers.Reshape((-1,)),
        layers.RepeatVector(2),
        layers.ThresholdedReLU(0.6),
    ):
        plain.add(layer)
    chained = Sequential([layers.Input((4,)), layers.Dense(4), inner, layers.Dense(2)])
    table = layers.Normalization()
    table.adapt(np.random.default_rng(1).normal(3, 2, (30, 4)))
    scaled = Sequential([layers.Input((4,)), Sequential([layers.Input((4,)), table]), layers.Dense(2)])
    return {
        "chained": (chained, (4,)),
        "scaled": (scaled, (4,)),
        "nested": (nested, (4,)),
        "frozen": (Sequential([layers.Input((4,)), frozen, layers.Dense(2)]), (4,)),
        "several_axes": (several, (3, 2, 4)),
        "plain": (plain, (6, 4)),
    }


def write(folder: Path) -> None:
    """Save the networks with random weights, and what foldnet predicts."""
    from foldnet import layers, optimizers
    from foldnet.sequential import Sequential

    rng = np.random.default_rng(0)
    made = networks()
    for name in OPTIMIZERS:
        network = Sequential([layers.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
        network.compile(getattr(optimizers, name)(0.01), "mse", metrics=["mae"])
        made[name] = (network, (4,))
    for name, (network, shape) in made.items():
        network.set_weights([rng.uniform(0.2, 1.5, w.shape) for w in network.get_weights()])
        x = rng.normal(size=(5, *shape)).astype(np.float32)
        network.save(folder / f"{name}.h5")
        results = network.predict(x)
        results = results if isinstance(results, list) else [results]
        np.savez(folder / f"{name}.npz", x, *results)
    (folder / "states").mkdir(exist_ok=True)
    for case, (name, settings) in STATES.items():
        if "." not in name:
            write_state(folder / "states", case, getattr(optimizers, name)(**settings))
    write_layers(folder / "layers")
    write_each_layer(folder / "each")


def write_each_layer(folder: Path) -> None:
    """Save each layer of the tests by itself, and calls of layers on several tensors, with what foldnet predicts."""
    sys.path.insert(0, str(ROOT))
    from foldnet.errors import UnsupportedError
    from tests.files.test_for_tf_keras import OTHERS, unlike_tf_keras
    from tests.files.test_save import EVERY_LAYER, one_layer

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    made = [(name, settings, one_layer(name, settings, shape)) for name, settings, shape in EVERY_LAYER]
    made = [(name, network) for name, settings, network in made if not unlike_tf_keras(name, settings)]
    made += [(name, make()) for name, make in OTHERS.items()]
    for number, (name, network) in enumerate(made):
        network.set_weights([rng.uniform(0.2, 1.5, w.shape) for w in network.get_weights()])
        network.compile("sgd", "mse")
        rows = [rng.uniform(0, 3, (4, *t.shape[1:])).astype(np.float32) for t in network.inputs]
        path = folder / f"{number:03}_{name}.h5"
        try:
            network.save(path, include_optimizer="tf_keras")
        except UnsupportedError as error:
            print(f"{path.name}: not written, {error}")
        else:
            np.savez(path.with_suffix(".npz"), network.predict(rows if len(rows) > 1 else rows[0]), *rows)


def read_each_layer(folder: Path) -> None:
    """Open each of them, compare, and write down the settings that tf_keras took."""
    import tf_keras

    taken: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.h5")):
        recorded = np.load(path.with_suffix(".npz"))
        expected, *rows = (recorded[f"arr_{i}"] for i in range(len(recorded.files)))
        model = tf_keras.models.load_model(path)
        result = model.predict(rows if len(rows) > 1 else rows[0], verbose=0)
        # TensorFlow reads the bicubic kernel from a table of 1024 entries.
        limit = 5e-3 if "Resizing" in path.name else 1e-5
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=limit, err_msg=path.name)
        with h5py.File(path) as file:
            stored = json.loads(file.attrs["model_config"])["config"]["layers"]
        for layer in stored:
            taken.setdefault(layer["class_name"], set()).update(layer["config"])
        print(f"{path.name}: as foldnet")
    OPENS.write_text(
        json.dumps({name: sorted(keys) for name, keys in sorted(taken.items())}, indent=1) + "\n"
    )


def write_state(folder: Path, case: str, optimizer: Any) -> None:
    """Save a network in the middle of its training, and the weights that it comes to later."""
    from foldnet import layers
    from foldnet.sequential import Sequential

    x, y = rows()
    inner = Sequential([layers.Input((4,)), layers.BatchNormalization(momentum=0.8), layers.Dense(4)])
    network = Sequential([layers.Input((4,)), layers.Dense(4, activation="tanh"), inner, layers.Dense(1)])
    network.compile(optimizer, "mse", metrics=["mae"])
    network.fit(x, y, epochs=3, **SETTINGS)
    network.save(folder / f"{case}.h5", include_optimizer="tf_keras")
    network.fit(x, y, epochs=2, **SETTINGS)
    np.savez(folder / f"{case}.npz", *network.get_weights())


def write_layers(folder: Path) -> None:
    """The same of convolutions, recurrence and attention."""
    from foldnet import layers, optimizers
    from foldnet.network import Model

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(2)
    for name in (n for n in NETWORKS if n not in NOT_IN_TF_KERAS):
        kind, settings = NETWORKS[name][1]
        network = network_of(layers, Model, name)
        network.set_weights([rng.uniform(0.2, 0.5, w.shape) * rng.choice([-1, 1], w.shape) if w.ndim > 1
                             else rng.uniform(0.2, 1.5, w.shape) for w in network.get_weights()])  # fmt: skip
        network.compile(getattr(optimizers, kind)(**settings), "mse")
        network.fit(*rows_of(network), epochs=3, **SETTINGS)
        network.save(folder / f"{name}.h5", include_optimizer="tf_keras")
        network.fit(*rows_of(network), epochs=2, **SETTINGS)
        np.savez(folder / f"{name}.npz", *network.get_weights())


def read_layers(folder: Path) -> None:
    """Go on with each of them."""
    import tf_keras

    for path in sorted(folder.glob("*.h5")):
        model = tf_keras.models.load_model(path)
        assert int(model.optimizer.iterations) == 9
        model.fit(*rows_of(model), epochs=2, **SETTINGS)
        model.trainable = True  # frozen weights would come last in their layer
        recorded = np.load(path.with_suffix(".npz"))
        for weight, name in zip(model.weights, recorded.files, strict=True):
            expected = recorded[name]
            # Images are normalized by a fused operation, whose moving variance has Bessel's correction.
            tolerance = 0.02 if "moving_variance" in weight.name else 1e-4
            limit = tolerance * np.abs(expected).max() + 1e-6
            np.testing.assert_allclose(weight.numpy(), expected, atol=limit, err_msg=f"{path.name} {name}")
        print(f"{path.name}: continues as foldnet")


def read(folder: Path) -> None:
    """Open them in tf_keras, compare, and train those that are compiled for one epoch."""
    import tf_keras

    for path in sorted(folder.glob("*.h5")):
        recorded = np.load(path.with_suffix(".npz"))
        x, *expected = (recorded[f"arr_{i}"] for i in range(len(recorded.files)))
        model = tf_keras.models.load_model(path)
        results = model.predict(x, verbose=0)
        results = results if isinstance(results, list) else [results]
        assert len(results) == len(expected), path.name
        for result, value in zip(results, expected, strict=True):
            np.testing.assert_allclose(result, value, rtol=2e-5, atol=2e-6, err_msg=path.name)
        if path.stem in OPTIMIZERS:
            assert type(model.optimizer).__name__ == path.stem
            model.fit(x, x[:, :1], verbose=0)
        print(f"{path.name}: as foldnet, {'trains' if path.stem in OPTIMIZERS else 'predicts'}")
    x, y = rows()
    for path in sorted((folder / "states").glob("*.h5")):
        model = tf_keras.models.load_model(path)
        assert int(model.optimizer.iterations) == 9
        model.fit(x, y, epochs=2, **SETTINGS)
        recorded = np.load(path.with_suffix(".npz"))
        # tf_keras does not store Nadam's product of momenta in its own files either.
        tolerance = 0.05 if path.stem == "nadam" else 1e-5
        for result, name in zip(model.get_weights(), recorded.files, strict=True):
            np.testing.assert_allclose(result, recorded[name], atol=tolerance, err_msg=path.name)
        print(f"{path.name}: continues as foldnet")
    read_layers(folder / "layers")
    read_each_layer(folder / "each")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "read"):
        sys.exit(__doc__)
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
