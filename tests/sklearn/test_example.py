"""The cross-validation example beside Keras."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cross_validation.py"


def test_keras_is_timed_on_the_same_folds(quick_compiler):
    small = ["--settings", "1", "--folds", "2", "--epochs", "2", "--keras"]
    command = [sys.executable, EXAMPLE, *small]
    environment = {**os.environ, "CC": quick_compiler}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "foldnet: 1 settings, 2 fits of 2 epochs in " in done.stdout
    assert "Keras:   1 settings, 2 fits in " in done.stdout
    ours, theirs = (float(text) for text in done.stdout.split("(mean absolute error)")[1].split()[1:3])
    # Two epochs from quality 0: far from learned, but as far for both.
    assert abs(ours - theirs) < 1.5
