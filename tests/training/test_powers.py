"""Powers of the optimizers' betas: what 1 less a power is, to the bit, and nothing that underflows."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from foldnet.training.optimizers import powers

STEPS = np.concatenate([np.arange(1, 3000), 10 ** np.arange(4, 8)]).astype(np.float32)


@given(st.floats(0, 1, width=32))
@example(0.9)
@example(0.999)
@example(1.0)
@example(0.0)
def test_one_less_a_power_is_numpys(base):
    with np.errstate(under="ignore"):
        plain = np.float32(base) ** STEPS
    np.testing.assert_array_equal(np.float32(1) - powers(base, STEPS), np.float32(1) - plain)


def test_no_power_is_denormal():
    for base in (0.5, 0.9, 0.999):
        assert powers(base, STEPS).min() >= np.finfo(np.float32).tiny
