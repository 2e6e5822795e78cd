"""What differs between operating systems: one file for each, and everything else asks here.

``posix.py`` is for Linux and macOS, ``linux.py`` has what Linux alone can say, ``windows.py`` is for Windows, where
nothing is compiled and NumPy computes. Python's own functions that exist everywhere are used where they are needed.
"""

from __future__ import annotations

import os

if hasattr(os, "posix_spawn"):
    from foldnet.system.posix import CAN_COMPILE as CAN_COMPILE
    from foldnet.system.posix import architecture as architecture
    from foldnet.system.posix import flush as flush
    from foldnet.system.posix import is_ours as is_ours
    from foldnet.system.posix import lock_folder as lock_folder
    from foldnet.system.posix import processor_features as processor_features
    from foldnet.system.posix import processors as processors
    from foldnet.system.posix import run as run
    from foldnet.system.posix import set_mode as set_mode
else:
    from foldnet.system.windows import CAN_COMPILE as CAN_COMPILE
    from foldnet.system.windows import architecture as architecture
    from foldnet.system.windows import flush as flush
    from foldnet.system.windows import is_ours as is_ours
    from foldnet.system.windows import lock_folder as lock_folder
    from foldnet.system.windows import processor_features as processor_features
    from foldnet.system.windows import processors as processors
    from foldnet.system.windows import run as run
    from foldnet.system.windows import set_mode as set_mode
