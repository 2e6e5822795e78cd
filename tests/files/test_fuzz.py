"""Two thousand damaged and lying files, in processes of their own; ``make fuzz`` tries a hundred thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SHARE = 500


@pytest.mark.parametrize("first", range(0, 4 * SHARE, SHARE))
def test_damaged_and_lying_files(first):
    script = Path(__file__).with_name("fuzz.py")
    # No time limit here, which a busy machine would reach: the program gives each file one of the processor's time.
    done = subprocess.run(
        [sys.executable, str(script), str(first), str(SHARE)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
