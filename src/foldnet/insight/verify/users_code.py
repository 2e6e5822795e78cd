"""Find the line at which the user's own code failed."""

from __future__ import annotations

import linecache
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import foldnet


def where_raised(error: BaseException) -> str:
    """The line of the user's own code that raised an error, as text; empty if there is none.

    Lines of NumPy and foldnet do not help a user, so the last line outside of them counts.
    """
    places = [p for p in _places(error.__traceback__) if not _is_library(p[0])]
    if not places:
        return ""
    file, line, function = places[-1]
    code = linecache.getline(file, line).strip()
    where = f"{Path(file).name}, line {line}, in {function}"
    return f"{where}: {code}" if code else where


def _places(traceback: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield code.co_filename, traceback.tb_lineno, code.co_name
        traceback = traceback.tb_next


def _is_library(file: str) -> bool:
    homes = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    ours = str(Path(foldnet.__file__).resolve().parent)
    return file.startswith("<frozen") or any(file.startswith(home) for home in (*homes, ours))
