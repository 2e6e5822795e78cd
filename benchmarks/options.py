"""The options that benchmarks with other programs share."""

from __future__ import annotations

import argparse


def parser(description: str | None) -> argparse.ArgumentParser:
    """Which cases are timed, with how many threads and turns."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="fewer turns")
    made.add_argument(
        "--case", action="append", help="only cases whose names begin like this; may be repeated"
    )
    made.add_argument("--threads", type=int, choices=(1, 2), help="only with so many threads")
    return made
