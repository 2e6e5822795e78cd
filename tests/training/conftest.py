import shutil
from functools import partial

import pytest

import foldnet.engines.training as engines
from foldnet.training import trainer


def _available():
    return ["reference", "native"] if any(shutil.which(c) for c in ("cc", "gcc", "clang")) else ["reference"]


@pytest.fixture
def both_engines(monkeypatch):
    """Go through the engines that this machine has, each in force while its name is at hand."""

    def engines_in_turn():
        for engine in _available():
            monkeypatch.setattr(trainer, "training_engine", partial(engines.training_engine, engine=engine))
            yield engine

    return engines_in_turn
