"""How many threads a fit may have that joblib runs beside others."""

from __future__ import annotations

import os

from joblib.parallel import get_active_backend

from foldnet.at_once import Piece, piece


def own_share() -> Piece:
    """The piece of work that a fit is: inside joblib one of several, else whatever its thread is at.

    joblib sets ``OMP_NUM_THREADS`` for its processes; its threads get one thread each. ``FOLDNET_THREADS`` is the
    user's own word, and goes before both.
    """
    now = piece()
    if "FOLDNET_THREADS" in os.environ or now.threads is not None or not _inside_joblib():
        return now
    told = os.environ.get("OMP_NUM_THREADS", "")
    return Piece(int(told) if told.isdecimal() and int(told) > 0 else 1, now.stop)


def _inside_joblib() -> bool:
    return bool(getattr(get_active_backend()[0], "nesting_level", 0))
