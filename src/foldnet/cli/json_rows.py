"""Predictions as one JSON document on stdout, written as they come."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from foldnet.arrays import Array
from foldnet.cli.options import plain
from foldnet.tables import TableWriter


class JsonRows(TableWriter):
    """``{"columns": [...], "rows": [[...], ...]}``, one row a line."""

    def __init__(self, names: Sequence[str] | None) -> None:
        sys.stdout.write(f'{{"columns": {json.dumps(names)}, "rows": [')
        self._before = "\n"

    def write(self, block: Array) -> None:
        """Append rows."""
        for row in block:
            sys.stdout.write(self._before + json.dumps(plain(row)))
            self._before = ",\n"

    def finish(self, *, whole: bool) -> None:
        """Close the document if there was no error."""
        if whole:
            sys.stdout.write("\n]}\n")
