"""Dropout before BatchNormalization: what re-estimation with Dropout off, and with Dropout on, does to the error."""

import runpy
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.as_shipped  # long fits
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "recalibrate_dropout.py"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


def test_long_training_with_dropout(example):
    """Off: well below half of the error. On: nothing gained."""
    found = np.array([example["experiment"](0.5, 2500, seed) for seed in range(3)])
    moving, off, on, ratio = found.mean(axis=0)
    assert (found[:, 1] < 0.6 * found[:, 0]).all()
    assert off < 0.45 * moving
    assert on > 0.9 * moving
    assert ratio > 1.4  # the moving variance is that of dropped inputs


def test_short_training_without_dropout(example):
    """What is left of the first statistics after 160 steps is mended by any re-estimation."""
    found = np.array([example["experiment"](0.0, 160, seed) for seed in range(3)])
    moving, off, on, _ = found.mean(axis=0)
    assert off < 0.7 * moving
    assert on < 0.7 * moving


def test_dropout_right_before_normalization_may_be_better_off_as_it_is(example):
    """Why validation decides: here exact statistics do worse."""
    before, off, on, ratio = example["experiment"](0.5, 1280, 0, order="dense relu dropout norm")
    assert ratio > 1.4
    assert off > before
    assert on < 1.5 * before
