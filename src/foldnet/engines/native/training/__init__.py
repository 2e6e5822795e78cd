"""A training program as C: a whole fit in one compiled call."""
