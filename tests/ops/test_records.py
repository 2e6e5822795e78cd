"""Every operation is written into files under Keras's class, with Keras's settings and arguments."""

import importlib
import inspect

import pytest

import foldnet.ops  # noqa: F401 - fills the records
from foldnet.ops.records import RECORDS


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_class_settings_and_arguments_are_kerass(name):
    record = RECORDS[name]
    theirs = getattr(importlib.import_module(record.module), record.keras_class)
    settings = set(inspect.signature(theirs.__init__).parameters) - {"self", "name", "args", "kwargs"}
    assert set(record.settings) == settings
    arguments = list(inspect.signature(theirs.call).parameters)[1:]
    assert [p.name for p in record.parameters() if p.name not in record.settings] == arguments
