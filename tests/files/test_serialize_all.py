"""``serialize`` and ``deserialize`` of every module against live Keras, over all that both have."""

from __future__ import annotations

import inspect
import json
import operator

import pytest

import foldnet
from foldnet import layers
from foldnet.errors import ConfigError
from tests.files.keras_models import keras
from tests.support.image_changes import IMAGE_CHANGES

MODULES = [
    "layers", "losses", "metrics", "optimizers", "optimizers.schedules", "initializers", "regularizers", "constraints",
    "activations",
]  # fmt: skip

ARGUMENTS = {
    "layers": {
        **{n: tuple(settings.values()) for n, settings in IMAGE_CHANGES.items()},
        "Dense": (3,), "Embedding": (5, 3), "EinsumDense": ("ab,bc->ac", 3), "Activation": ("relu",),
        "GroupQueryAttention": (4, 4, 2), "MultiHeadAttention": (2, 3), "Dot": (1,),
        "Dropout": (0.5,), "AlphaDropout": (0.5,), "GaussianDropout": (0.5,), "GaussianNoise": (0.5,),
        "SpatialDropout1D": (0.5,), "SpatialDropout2D": (0.5,), "SpatialDropout3D": (0.5,), "Permute": ((2, 1),),
        "RepeatVector": (3,), "Rescaling": (2.0,), "Reshape": ((4,),), "ReversibleEmbedding": (5, 3),
        **{n: (2,) for n in layers.__all__ if n.startswith("Adaptive")}, "Resizing": (2, 3), "CenterCrop": (2, 3),
        "CategoryEncoding": (4,), "Discretization": ([0.5, 1.5],), "Hashing": (5,),
        "IntegerLookup": (None, 1, None, -1, [3, 4]),
        "StringLookup": (None, 1, None, "[UNK]", ["b", "a"]),
        **{n: (2,) if "Depth" in n else (3, 2) for n in layers.__all__ if "Conv" in n},
        **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell"), (3,)),
        "InputLayer": ((3,),), **{f"{kind}{d}D": (2,) for kind in ("AveragePooling", "AvgPool") for d in (1, 2, 3)},
    },
    "optimizers.schedules": {
        "ExponentialDecay": (0.1, 10, 0.9), "InverseTimeDecay": (0.1, 10, 0.9), "PolynomialDecay": (0.1, 10),
        "CosineDecay": (0.1, 10), "CosineDecayRestarts": (0.1, 10), "PiecewiseConstantDecay": ([1], [0.1, 0.01]),
    },
    "metrics": {
        "MeanIoU": (2,), "IoU": (2, [0]), "OneHotIoU": (2, [0]), "OneHotMeanIoU": (2,), "PrecisionAtRecall": (0.5,),
        "RecallAtPrecision": (0.5,), "SensitivityAtSpecificity": (0.5,), "SpecificityAtSensitivity": (0.5,),
        "MeanRelativeError": ([1.0],),
    },
}  # fmt: skip

NOT_MADE_ALONE = {
    "Layer", "Loss", "Metric", "Optimizer", "Initializer", "Regularizer", "Constraint", "LearningRateSchedule",
    "Wrapper", "SpectralNormalization", "TimeDistributed", "Bidirectional", "RNN", "StackedRNNCells",
    "Hashing", "IntegerLookup", "StringLookup",
    "MeanMetricWrapper", "threshold", "get", "serialize", "deserialize",
}  # fmt: skip

LEFT_OUT = {
    "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False, "rms_scaling": False,
    "quantization_config": None, "optional": False, "activity_regularizer": None, "input_axes": None,
    "output_axes": None, "sliding_window": None, "use_gate": False, "seed": None,
}  # fmt: skip
"""Settings that not every release of Keras takes, written only where they say something else than this."""

FORGOTTEN = {
    ("CosineSimilarity", "axis"),
    ("Huber", "delta"),
    ("SparseCategoricalCrossentropy", "axis"),
    ("Identity", "gain"),
    ("SimpleRNN", "seed"),
}
"""Settings that Keras takes and forgets to write."""


DRAWN = {(name, "seed") for name in IMAGE_CHANGES}
"""Settings in place of whose None Keras writes a number that it has drawn."""


def compare(ours, theirs, where=()):
    """Assert that two configurations say the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        class_name = ours.get("class_name", where[-1] if where else None)
        for key in {*ours, *theirs}:
            if key not in ours:
                assert LEFT_OUT[key] == theirs[key], (where, key)
            elif key not in theirs:
                assert (class_name, key) in FORGOTTEN, (where, key)
            elif (class_name, key) not in DRAWN or ours[key] is not None:
                compare(ours[key], theirs[key], (*where, class_name if key == "config" else key))
    elif isinstance(ours, float) and isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-6), where
    elif where[-1] == "dtype" and isinstance(ours, dict):
        assert ours["config"]["name"] == theirs, where
    elif where[-2:] == ("Normalization", "axis"):
        assert (tuple(ours) if isinstance(ours, list) else (ours,)) == tuple(theirs), where
    else:
        plain = [json.loads(json.dumps(v)) for v in (ours, theirs)]
        assert plain[0] == plain[1], where


def pairs(module):
    """What both have, made by the same arguments."""
    ours, theirs = (operator.attrgetter(module)(library) for library in (foldnet, keras))
    wanted = inspect.isfunction if module == "activations" else inspect.isclass
    for name in sorted(set(dir(ours)) & set(dir(theirs)) - NOT_MADE_ALONE):
        first, second = getattr(ours, name), getattr(theirs, name)
        if not wanted(first):
            continue
        if module != "activations":
            keras.utils.clear_session(free_memory=False)  # which takes longer than all else here
            foldnet.utils.clear_session()
            arguments = ARGUMENTS.get(module, {}).get(name, ())
            first, second = first(*arguments), second(*arguments)
        yield name, first, second


@pytest.mark.parametrize("module", MODULES)
def test_configurations_are_kerass_and_taken_by_both(module):
    ours, theirs = (operator.attrgetter(module)(library) for library in (foldnet, keras))
    found = list(pairs(module))
    assert len(found) >= 6
    for name, first, second in found:
        stored, expected = ours.serialize(first), theirs.serialize(second)
        compare(stored, expected, (name,))
        compare(ours.serialize(ours.deserialize(expected)), theirs.serialize(second), (name,))
        # Keras's own optimizers.deserialize does not know Lamb, nor losses.deserialize one of the losses.
        again = (
            theirs.deserialize(stored)
            if isinstance(stored, str)
            else keras.saving.deserialize_keras_object(stored)
        )
        compare(ours.serialize(first), theirs.serialize(again), (name,))


def test_a_layer_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="not the configuration of a layer"):
        foldnet.layers.deserialize(foldnet.losses.serialize(foldnet.losses.Huber()))
