"""Compiled networks of the tests go to a folder of their own."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("FOLDNET_CACHE", str(tmp_path_factory.mktemp("cache") / "foldnet"))
    yield
    patch.undo()
