"""The examples run, and print what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

EXPECTED = {
    "diagnose_prediction.py": [
        "equal: True, proven: False",
        "activation-on-wrong-tensor   dense_2",
        "variance-without-sqrt        norm_3",
        "softmax-one-unit             quality",
        "'norm_1', 'norm_2', 'norm_3' with variance-without-sqrt and 'dense_2' with activation-missing",
    ],
    "cross_validation.py": ["foldnet: 2 settings, 4 fits of 1 epochs in ", "mean absolute error "],
    "freeze_and_predict.py": ["norm_1", "one wine:    [[5.02", "all wines:   (1599, 1)", "same bits:   True"],
    "iris.py": ["moving mean of each feature:", "accuracy: 0.9"],
    "old_package_phages.py": [
        "+ from foldnet.models import load_model",
        "random\tPhage\t0.699",
        "repeats\tPhage\t1.0",
        "repeats\tPhage\t0.970",
    ],
    "old_package_tempo.py": [
        "+ from foldnet.models import load_model",
        "at 80 beats a minute: 80.0",
        "at 160 beats a minute: 160.1",
    ],
    "prediction_by_hand.py": [": equal", ": NOT EQUAL"],
    "recalibrate_dropout.py": ["off better", "dense relu dropout norm"],
    "wine_question.py": ["validation loss ", "batch_normalization [(10,), (10,), (10,), (10,)]"],
}

ELSEWHERE = {"activity.py", "digits_axis.py"}
"""Those that ``test_network_examples.py`` runs."""

ARGUMENTS = {
    "cross_validation.py": ["--settings", "2", "--folds", "2", "--epochs", "1"],
    "recalibrate_dropout.py": ["1", "160"],
}
"""What makes an example short enough for a test."""


def test_every_example_is_tested_and_listed():
    programs = {path.name for path in EXAMPLES.glob("*.py")}
    assert programs == set(EXPECTED) | ELSEWHERE
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in programs)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example(name, tmp_path, quick_compiler):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *ARGUMENTS.get(name, [])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CC": quick_compiler},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in EXPECTED[name]:
        assert text in done.stdout
