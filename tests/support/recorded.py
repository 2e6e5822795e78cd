"""Compare a network with the outputs that another program recorded beside its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.files.keras_models import outputs
from tests.support.arrays import arrays_of


def assert_recorded(network, stem: Path) -> None:
    """The reference engine computes the recorded outputs from the recorded inputs."""
    recorded = arrays_of(f"{stem}.npz")
    inputs = [recorded[k] for k in sorted(recorded) if k.startswith("x")]
    expected = [recorded[k] for k in sorted(recorded) if k.startswith("y")]
    results = outputs(network, *inputs)
    assert len(results) == len(expected)
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, value, rtol=1e-5, atol=1e-6)
