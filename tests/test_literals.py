"""Which literal a value is."""

import numpy as np
import pytest

from foldnet.literals import member

CURVES = ("ROC", "PR")


@pytest.mark.parametrize(("value", "expected"), [
    ("PR", "PR"), (np.str_("ROC"), "ROC"), ("pr", None), (None, None), (1, None), ([], None), (np.zeros(2), None),
])  # fmt: skip
def test_a_member_is_found_by_its_value(value, expected):
    found = member(value, CURVES)
    assert found == expected
    assert type(found) in (str, type(None))
