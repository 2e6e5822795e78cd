"""Every schedule, within its length, at its end and beyond, is Keras's: with its defaults, and with every setting."""

import keras
import pytest

from foldnet import optimizers
from foldnet.errors import ConfigError

STEPS = [0, 3, 7, 15, 50]
SETTINGS = [
    ("ExponentialDecay", (0.3, 7, 0.6)),
    ("ExponentialDecay", (0.3, 7, 0.6, True)),
    ("PiecewiseConstantDecay", ([3, 15], [0.3, 0.2, 0.05])),
    ("PolynomialDecay", (0.3, 7)),
    ("PolynomialDecay", (0.3, 7, 0.02, 2.0)),
    ("PolynomialDecay", (0.3, 7, 0.02, 0.5, True)),
    ("InverseTimeDecay", (0.3, 7, 0.6)),
    ("InverseTimeDecay", (0.3, 7, 0.6, True)),
    ("CosineDecay", (0.3, 20)),
    ("CosineDecay", (0.3, 20, 0.1)),
    ("CosineDecay", (0.3, 20, 0.1, "warm", 0.8, 5)),
    ("CosineDecayRestarts", (0.3, 7)),
    ("CosineDecayRestarts", (0.3, 7, 1.0, 0.7, 0.1)),
    ("CosineDecayRestarts", (0.3, 7, 1.5, 0.7, 0.1)),
]


@pytest.mark.parametrize(("name", "arguments"), SETTINGS, ids=lambda a: a if isinstance(a, str) else "")
def test_a_schedule_is_kerass(name, arguments):
    ours = getattr(optimizers.schedules, name)(*arguments)
    theirs = getattr(keras.optimizers.schedules, name)(*arguments)
    assert ours.get_config() == theirs.get_config()
    expected = [float(theirs(step)) for step in STEPS]
    # Restarts are told apart by a logarithm in float32, which may say 0.9999999 on the very step.
    assert [float(ours(step)) for step in STEPS] == pytest.approx(expected, rel=2e-5, abs=1e-7)
    assert optimizers.schedules.deserialize(ours.serialize()).get_config() == theirs.get_config()


@pytest.mark.parametrize("boundaries", [[], [3], [3, 15, 20]])
def test_there_is_one_value_more_than_boundaries(boundaries):
    with pytest.raises(
        ConfigError, match=f"{len(boundaries)} boundaries need {len(boundaries) + 1} values, got 3"
    ):
        optimizers.schedules.PiecewiseConstantDecay(boundaries, [0.3, 0.2, 0.05])
