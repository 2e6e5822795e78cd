"""What holds for the whole suite: the same numbers at every run, whatever else the machine does."""

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from foldnet.engines.native import cache
from tests.support import compiling

os.environ.setdefault("KERAS_BACKEND", "jax")
# What JAX compiles here runs a few times on a few rows: compiling it well takes longer than all its runs.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# A shell starts what runs in the background deaf to Ctrl+C, and its children inherit that: tests that interrupt a
# program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_configure(config):
    """Give ziglang's compiler a cache that starts empty and ends with the run; workers inherit it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="foldnet-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    for kind in ("GLOBAL", "LOCAL"):
        os.environ[f"ZIG_{kind}_CACHE_DIR"] = str(Path(folder) / "zig")


QUICKLY_COMPILED = ("files", "insight", "layers", "ops", "sklearn", "training")
"""Folders whose tests ask what numbers come out, not how fast: compilers took most of the suite's time."""

LONG_FITS = ("test_recalibrate_dropout.py",)
"""Files there whose fits take longer than compilers do."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Compile without optimization where the test is in one of those folders.

    A test in native_training shows that bits stay as they are.
    """
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    quickly = folder in QUICKLY_COMPILED and item.path.name not in LONG_FITS
    cache.load = compiling.unoptimized if quickly else compiling.as_shipped


@pytest.fixture(autouse=True)
def _seeds():
    """Every generator that a test may use unseeded starts at the same place, in whatever order tests run."""
    from foldnet.utils import set_random_seed

    set_random_seed(1)
    random.seed(1)
    np.random.seed(1)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)
