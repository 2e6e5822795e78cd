"""What the tests of large tables share."""

import numpy as np
import pytest

import foldnet as fn
from tests.scale.clusters import Cluster
from tests.scale.lakes import WINE, write_lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    """The data set, which no test may change."""
    return write_lake(tmp_path_factory.mktemp("lake"), np.random.default_rng(11))


@pytest.fixture
def own_lake(tmp_path):
    """A data set that a test may change."""
    return write_lake(tmp_path / "lake", np.random.default_rng(12))


@pytest.fixture(scope="module", autouse=True)
def _quick_programs(quick_compiler):
    """Programs that a test starts compile without optimization, which gives the same bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", quick_compiler)
        yield


@pytest.fixture(scope="session")
def predict():
    return fn.freeze(WINE)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, quick_compiler):
    started = Cluster(tmp_path_factory.mktemp("cluster"), CC=quick_compiler)
    yield started
    started.close()
