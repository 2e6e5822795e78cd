"""What holds for the whole suite: the same numbers at every run, whatever else the machine does."""

import os

# Ahead of NumPy, which reads it once. Threads of OpenBLAS wait for each other by trying again and again: where two
# workers have two each on two cores, an eigenvalue problem of 100 columns took 100 times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gc
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
from foldnet.engines.native.prediction import program
from tests.support import compiling, kept, keras_variables, quick, xla

os.environ.setdefault("KERAS_BACKEND", "jax")
# What JAX compiles here runs a few times on a few rows: compiling it well takes longer than all its runs, and without
# these passes it takes 40 % of the time.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 --xla_cpu_multi_thread_eigen=false",
)

# A shell starts what runs in the background deaf to Ctrl+C, and its children inherit that: tests that interrupt a
# program would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Python looks for cycles again and again among all that Keras and JAX keep: a fifteenth of the time of most tests.
gc.set_threshold(50_000, 20, 50)

# How long an example takes says how busy the machine is.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption(
        "--quick", action="store_true", help="run the part of the suite that takes about a minute"
    )
    parser.addoption(
        "--measure", action="store_true", help="keep in tests/seconds.json how long each test takes"
    )


def pytest_configure(config):
    """One folder for what compilers make, kept from run to run unless it is to be measured; workers inherit it."""
    if config.getoption("quick"):
        config.pluginmanager.register(quick.Quick())
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="foldnet-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    for kind in ("GLOBAL", "LOCAL"):
        os.environ[f"ZIG_{kind}_CACHE_DIR"] = str(folder / "zig")
    if config.getoption("measure"):
        os.environ[kept.KEEP] = "0"
    home = kept.begin() or folder
    os.environ.setdefault("FOLDNET_CACHE", str(home / compiling.name_of_cache()))
    os.environ[compiling.READ_BEFORE] = f"{os.environ['FOLDNET_CACHE']}-headers"
    if config.getoption("measure"):
        config.pluginmanager.register(quick.Measuring())


def pytest_collection_finish():
    make_keras_quick()
    # What has been imported stays, and what is left out need not be looked through again and again.
    gc.collect()
    gc.freeze()


def make_keras_quick():
    """Once it has been imported: less for JAX to compile and to note."""
    if "jax" in sys.modules:
        import jax

        # Otherwise it looks up, for each operation that it compiles, which lines of code called it.
        jax.config.update("jax_traceback_in_locations_limit", 0)
        xla.share_contexts()
        xla.keep()
    if "keras" in sys.modules:
        keras_variables.install()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Compile without optimization: compilers took most of the suite's time, and most tests ask what numbers come out.

    A test in native_training shows that the bits stay as they are. Files that ask about the compiled code itself, and
    those whose fits take longer than compilers do, are marked ``as_shipped``.
    """
    make_keras_quick()
    shipped = item.get_closest_marker("as_shipped")
    cache.load = compiling.as_shipped if shipped else compiling.unoptimized


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    item.stash[quick.STARTED] = quick.processor_seconds()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "teardown":
        report.user_properties.append((quick.TOOK, quick.processor_seconds() - item.stash[quick.STARTED]))
    return report


@pytest.fixture(scope="session")
def quick_compiler():
    """For ``CC`` of programs that a test starts, where it asks what comes out and not how fast."""
    return compiling.quick_compiler(Path(os.environ[compiling.READ_BEFORE]))


@pytest.fixture(autouse=True)
def _seeds():
    """Every generator that a test may use unseeded starts at the same place, in whatever order tests run."""
    from foldnet.utils import set_random_seed

    set_random_seed(1)
    random.seed(1)
    np.random.seed(1)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)


@pytest.fixture
def made(monkeypatch):
    """The graphs that prediction code is made for during a test, in order."""
    pieces = []
    start = program.NativeCode.__init__

    def counted(self, graph, strategy=None):
        pieces.append(graph)
        start(self, graph, strategy)

    monkeypatch.setattr(program.NativeCode, "__init__", counted)
    return pieces
