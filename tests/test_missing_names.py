"""Keras's names that foldnet does not have say what to use; the list is of names that Keras has."""

import importlib

import keras
import pytest

from foldnet.missing_names import INSTEAD

NAMES = [(module, name) for module, names in INSTEAD.items() for name in names]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_name_that_is_absent_says_what_to_use(module, name):
    assert hasattr(getattr(keras, module), name)
    ours = importlib.import_module(f"foldnet.{module}")
    with pytest.raises(AttributeError, match=f"foldnet.{module}' has no attribute '{name}'; instead: "):
        getattr(ours, name)
    assert not hasattr(ours, "nothing_of_this_name")


@pytest.mark.parametrize("module", INSTEAD)
def test_every_class_of_kerass_is_there_or_on_the_list(module):
    theirs = getattr(keras, module)
    ours = importlib.import_module(f"foldnet.{module}")
    classes = [name for name in dir(theirs) if isinstance(getattr(theirs, name), type)]
    assert not [name for name in classes if not hasattr(ours, name) and name not in INSTEAD[module]]
