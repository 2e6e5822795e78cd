"""Every name of Keras's training modules is here, but for a list of those that are not, and means the same."""

import importlib

import keras
import numpy as np
import pytest

import foldnet
from foldnet import initializers, losses, metrics, optimizers
from foldnet.optimizers import schedules

ABSENT = {
    "losses": {"CTC", "Circle", "Dice", "Tversky", "circle", "ctc", "dice", "tversky"},
    "metrics": {"BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"},
    "optimizers": {"Adafactor", "LossScaleOptimizer", "MultiOptimizer", "Muon", "OptimizerMap", "legacy"},
    "optimizers.schedules": set(),
    "regularizers": set(),
    "constraints": set(),
    "initializers": {"STFT", "STFTInitializer", "stft"},
    "callbacks": {
        "BackupAndRestore", "OrbaxCheckpoint", "ProgbarLogger", "RemoteMonitor", "SwapEMAWeights", "TensorBoard",
    },
    "activations": set(),
}  # fmt: skip
"""Of images, sequences and other services than training; docs/training.md says so."""


@pytest.mark.parametrize("module", ABSENT)
def test_names(module):
    theirs, ours = (importlib.import_module(f"{kit}.{module}") for kit in ("keras", "foldnet"))
    names = {n for n in dir(theirs) if not n.startswith("_")}
    assert {n for n in names if not hasattr(ours, n)} == ABSENT[module]
    classes = {n for n in names if isinstance(getattr(theirs, n), type)} - ABSENT[module]
    assert {n for n in classes if not isinstance(getattr(ours, n), type)} == set()


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("losses", lambda kit: kit.losses.Huber(0.3, reduction="sum")),
        ("metrics", lambda kit: kit.metrics.TopKCategoricalAccuracy(3)),
        ("optimizers", lambda kit: kit.optimizers.SGD(0.5, momentum=0.25, gradient_accumulation_steps=4)),
        ("optimizers.schedules", lambda kit: kit.optimizers.schedules.ExponentialDecay(0.5, 10, 0.25)),
        ("initializers", lambda kit: kit.initializers.RandomNormal(0.5, 2.0, seed=3)),
        ("constraints", lambda kit: kit.constraints.MaxNorm(0.5)),
        ("regularizers", lambda kit: kit.regularizers.OrthogonalRegularizer(0.5, "columns")),
    ],
)
def test_serialize_and_deserialize(module, made):
    """What Keras serializes is read, and what foldnet serializes Keras reads."""
    theirs, ours = (importlib.import_module(f"{kit}.{module}") for kit in ("keras", "foldnet"))
    config = made(keras).get_config()
    read = ours.deserialize(theirs.serialize(made(keras))).get_config()
    again = theirs.deserialize(ours.serialize(made(foldnet))).get_config()
    for found in (read, again):
        shared = {k: v for k, v in config.items() if k in found and k not in ("name", "dtype")}
        assert shared
        assert {k: found[k] for k in shared} == pytest.approx(shared)


def test_functions_are_serialized_by_name():
    record = {"module": "builtins", "class_name": "function", "registered_name": "function"}
    assert losses.serialize(losses.mean_squared_error) == {**record, "config": "mean_squared_error"}
    assert metrics.serialize(metrics.binary_accuracy) == {**record, "config": "binary_accuracy"}
    assert schedules.deserialize(schedules.serialize(schedules.CosineDecay(0.1, 5)))(5) == pytest.approx(0.0)
    assert isinstance(optimizers.deserialize({"class_name": "Ftrl", "config": {}}), optimizers.Ftrl)
    assert isinstance(initializers.deserialize("orthogonal"), initializers.orthogonal)


@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_means_and_sums_of_a_loop_of_ones_own(name):
    theirs, ours = getattr(keras.metrics, name)(), getattr(metrics, name)()
    rng = np.random.default_rng(0)
    for values, weight in (
        (rng.normal(size=5), None),
        (3.5, None),
        (rng.normal(size=(4, 3)), None),
        (rng.normal(size=(4, 3)), rng.uniform(size=4)),
        (rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))),
        (rng.normal(size=6), 2.0),
    ):
        values = np.asarray(values, np.float32)
        assert ours(values, weight) == pytest.approx(float(theirs(values, weight)), rel=1e-5)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-5)
    ours.reset_state()
    assert ours([2.0, 4.0]) == {"Mean": 3.0, "Sum": 6.0}[name]
