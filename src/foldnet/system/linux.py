"""What Linux says of its processors; on other systems nothing."""

from __future__ import annotations

import os

QUOTA = "/sys/fs/cgroup/cpu.max"
"""Where Linux says how much processor time a container may have: microseconds in a period, or ``max``."""
PROCESSORS = "/proc/cpuinfo"


def processor_features() -> str:
    """The features that the first processor lists; empty if there is no such list."""
    try:
        with open(PROCESSORS, encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - pathlib is slow
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    return value.strip()
    except OSError:
        pass
    return ""


def allowed_processors() -> int | None:
    """How many this process may run on; None if the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def processors_of_container() -> int | None:
    """As many processors as the container's time is worth, rounded up; None if it has no limit."""
    try:
        with open(QUOTA, encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
            time, period = (int(text) for text in file.read().split())
        return max(1, -(-time // period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
