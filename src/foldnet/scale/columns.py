"""Which columns a network takes from every part, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from foldnet.errors import FoldnetError, InputError
from foldnet.scale.part import open_inputs
from foldnet.scale.sources import Source
from foldnet.setting_types import shown
from foldnet.tables.select import Selection

if TYPE_CHECKING:
    from foldnet.predictor import Predictor

ALL = "all"
Choice = str | Sequence[str] | None
Choices = Choice | Mapping[str, Choice]


class Chosen:
    """The columns as the caller chose them, before any part was opened.

    Args:
        inputs: names of the network's inputs.
        columns: text as for ``--columns``, or a list of names; by input for several inputs.
        drop: the columns that are left out, in the same form.
        keep: the columns that are kept, in the same form; ``"all"`` for all.

    Raises:
        InputError: a network of several inputs needs ``columns`` for each of them.
    """

    def __init__(self, inputs: Sequence[str], columns: Choices, drop: Choices, keep: Choice) -> None:
        self._inputs = list(inputs)
        self.selections = [
            Selection(one, other) for one, other in zip(self._each(columns), self._each(drop), strict=True)
        ]
        self._keep = _exact(keep)
        if len(inputs) > 1 and any(s == Selection() for s in self.selections):
            names = ", ".join(inputs)
            raise InputError(
                f"the network has {len(inputs)} inputs ({names}); say which columns of a part each one takes"
            )

    def text(self) -> str:
        """The choice as text, for the record."""
        kept = {"keep": self._keep} if self._keep else {}
        chosen = [{k: v for k, v in vars(s).items() if v is not None} for s in self.selections]
        return json.dumps([*chosen, kept] if kept else chosen)

    def resolve(
        self, predictor: Predictor, sources: Sequence[Source]
    ) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...] | None]:
        """The names of the columns for each input, and those to keep (None for all), as the first whole part has them.

        A position means the same column in every part then, whatever their order there.

        Raises:
            FoldnetError: no part can be read with these columns; the error of the first part.
        """
        first: FoldnetError | None = None
        for source in sources:
            try:
                with ExitStack() as opened:
                    tables = open_inputs(predictor, source, self.selections, opened)
                    columns = tuple(table.columns or () for table in tables)
                    return columns, self._kept(tables[0].schema.names, str(source.path))
            except FoldnetError as error:
                first = first or error
        raise first or InputError("there is no part to read columns from")

    def _kept(self, names: list[str], where: str) -> tuple[str, ...] | None:
        if self._keep == ALL:
            return None
        if not self._keep:
            return ()
        return tuple(dict.fromkeys(names[p] for p in Selection(self._keep).places(len(names), names, where)))

    def _each(self, choices: Choices) -> list[str | tuple[str, ...] | None]:
        if not isinstance(choices, Mapping):
            return [_exact(choices)] * len(self._inputs)
        if unknown := [name for name in choices if name not in self._inputs]:
            raise InputError(f"the network has no input {unknown[0]!r}; it has {', '.join(self._inputs)}")
        return [_exact(choices.get(name)) for name in self._inputs]


def _exact(choice: Choice) -> str | tuple[str, ...] | None:
    if choice is None or isinstance(choice, str):
        return choice
    given: object = choice
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise InputError(
            f'columns are {shown(choice)}; give names in a list, or names and positions in a text such as "1-11,pH"'
        )
    return tuple(str(name) for name in given)
