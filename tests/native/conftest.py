"""Every test here emits its own C: many of them emit with other limits, and what was emitted before would be taken."""

import pytest

from foldnet.engines.native.prediction import known
from foldnet.recent_cache import RecentCache


@pytest.fixture(autouse=True)
def emitting(monkeypatch):
    """No C is remembered."""
    monkeypatch.setattr(known, "_known", RecentCache(0))
