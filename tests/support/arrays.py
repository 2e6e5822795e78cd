"""Arrays that a script recorded."""

import numpy as np


def arrays_of(path):
    """All arrays of an ``.npz`` file, which is closed again: an open one is a warning at some later time."""
    with np.load(path) as recorded:
        return dict(recorded)
