"""The positions of a slice are those that Python takes."""

from itertools import product

import pytest

from foldnet.operations.structure.op import taken

ENDS = (None, *range(-8, 9))


@pytest.mark.parametrize("n", range(7))
def test_positions_are_pythons(n):
    for start, stop, step in product(ENDS, ENDS, (-3, -2, -1, 1, 2, 3)):
        places = range(*slice(start, stop, step).indices(n))
        found = taken((start, stop, step), n)
        assert found.count == len(places), (start, stop, step)
        if places:
            assert (found.start, found.step) == (places.start, places.step), (start, stop, step)
