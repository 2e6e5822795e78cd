"""What the commands share: options, how they print, and how they read tables."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import numpy as np

    from foldnet.network import Network
    from foldnet.tables import Table

    Array = np.ndarray[Any, Any]

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, readable=True)
NEW_FILE = click.Path(dir_okay=False)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta["foldnet.debug"] = ctx.meta.get("foldnet.debug") or value


def common(function: F) -> F:
    """Options that every command has: ``--json`` and ``--debug``."""
    function = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Show the traceback of an error.",
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(
        function
    )


def table_options(*, required: bool, help: str) -> Callable[[F], F]:
    """``--data`` and how to read it; the command gets them as one ``tables`` argument."""
    options = (
        click.option("--data", multiple=True, required=required, metavar="TABLE", help=help),
        click.option(
            "--columns", metavar="LIST", help="Columns to use: names, places or ranges, as in 1-11."
        ),
        click.option("--drop", metavar="LIST", help="Columns to leave out, likewise."),
        click.option("--delimiter", metavar="SIGN", help="Of a CSV; by default ; or tab or comma."),
        click.option(
            "--header/--no-header", default=None, help="Whether the first line of a CSV names columns."
        ),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@dataclass(frozen=True)
class TableOptions:
    """Where the rows are, and how to read them."""

    data: tuple[str, ...]
    columns: str | None = None
    drop: str | None = None
    delimiter: str | None = None
    header: bool | None = None

    def blocks(self, inputs: Mapping[str, Sequence[int | None]], opened: ExitStack) -> Rows:
        """The rows of the tables for a network's inputs (name to shape of one row), block by block.

        Raises:
            InputError: not one table for each input, or rows of another shape.
        """
        from foldnet.errors import InputError
        from foldnet.tables import Selection, open_table

        if len(self.data) != len(inputs):
            once = f"one input, {next(iter(inputs))}: give --data once"
            several = f"{len(inputs)} inputs, {', '.join(inputs)}: give --data once for each, in this order"
            raise InputError(
                f"the network has {once if len(inputs) == 1 else several}; it was given {len(self.data)} times"
            )
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise InputError(f"--delimiter takes one character, not {self.delimiter!r}")
        selection = Selection(self.columns, self.drop)
        tables = [
            opened.enter_context(open_table(path, selection, delimiter=self.delimiter, header=self.header))
            for path in self.data
        ]
        return Rows(tables, [fitted(t, n, s) for t, (n, s) in zip(tables, inputs.items(), strict=True)])


@dataclass(frozen=True)
class Rows:
    """Tables open side by side, one for each input of a network."""

    tables: Sequence[Table]
    shapes: Sequence[tuple[int, ...]]

    @property
    def count(self) -> int | None:
        """Number of rows, where it is known."""
        return self.tables[0].rows

    def __iter__(self) -> Iterator[list[Array]]:
        """Blocks: for each input an array of the same number of rows. Empty tables give one empty block."""
        from itertools import zip_longest

        import numpy as np

        from foldnet.errors import InputError

        rows, empty = block_rows(self.tables), True
        for blocks in zip_longest(*(table.blocks(rows) for table in self.tables)):
            if any(b is None for b in blocks) or len({len(b) for b in blocks}) > 1:
                raise InputError(
                    f"the tables {', '.join(t.name for t in self.tables)} differ in their number of rows"
                )
            yield [b.reshape(len(b), *shape) for b, shape in zip(blocks, self.shapes, strict=True)]
            empty = False
        if empty:
            yield [np.empty((0, *shape), np.float32) for shape in self.shapes]

    def all(self) -> list[Array]:
        """Every row at once; for each input one array."""
        import numpy as np

        from foldnet.errors import InputError

        arrays = [np.concatenate(parts) for parts in zip(*self, strict=True)]
        if not len(arrays[0]):
            raise InputError(f"{self.tables[0].name} has no rows")
        return arrays


def block_rows(tables: Sequence[Table]) -> int:
    """How many rows to read at a time, so that a block is small whatever the width."""
    width = max(math.prod(table.row_shape) for table in tables)
    return max(1, 2**17 // max(1, width))


def fitted(table: Table, name: str, shape: Sequence[int | None]) -> tuple[int, ...]:
    """Shape of one row of the table as the network takes it; flat rows are folded to the network's shape.

    Raises:
        InputError: the rows have another number of values.
    """
    from foldnet.errors import InputError
    from foldnet.tables.select import describe

    if len(table.row_shape) == len(shape) and all(
        b in (None, a) for a, b in zip(table.row_shape, shape, strict=True)
    ):
        return table.row_shape
    known = tuple(n for n in shape if n is not None)
    if len(known) == len(shape) and len(table.row_shape) == 1 and math.prod(known) == table.row_shape[0]:
        return known
    if len(shape) == len(table.row_shape) == 1:
        raise InputError(
            f"{table.name}: the input {name!r} takes {shape[0]} values a row, and the table has "
            f"{describe(table.row_shape[0], table.columns)}. Choose with --columns or --drop."
        )
    raise InputError(
        f"{table.name}: the input {name!r} takes rows of shape {tuple(shape)}, not {table.row_shape}"
    )


def is_frozen(file: str) -> bool:
    """Whether a file is a predictor that foldnet has saved, by its name or its first bytes."""
    if file.endswith(".foldnet"):
        return True
    path = Path(file)
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(7) == b"FOLDNET"


def load_network(file: str) -> Network:
    """The network of a file that Keras wrote.

    Raises:
        InputError: the file is a frozen predictor, which has no layers any more.
    """
    import foldnet
    from foldnet.errors import InputError

    if is_frozen(file):
        raise InputError(
            f"{file} is a frozen predictor, which has no layers any more; give the .keras or .h5 file that it was "
            "made from. To prove a predictor: foldnet verify NETWORK.keras --against PREDICTOR.foldnet"
        )
    return foldnet.load_model(file)


def row_shapes(model: Network) -> dict[str, tuple[int | None, ...]]:
    """Shape of one row for each input of a network."""
    return {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}


def print_json(document: Any) -> None:
    """Print one JSON document; NaN and infinities, which JSON lacks, become strings."""
    click.echo(json.dumps(plain(document), indent=2))


def plain(value: Any) -> Any:
    """The same with nothing but what JSON has."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)


@contextmanager
def progress(what: str, total: int | None, *, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, if that is a terminal; yields a function to call with the number of rows done."""
    if not (show and sys.stderr.isatty()):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, advance=done)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
