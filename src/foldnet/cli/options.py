"""Shared code of commands: options, printing, and reading tables."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from foldnet.cli.terminal import say

if TYPE_CHECKING:
    from foldnet.arrays import Array
    from foldnet.network import Network
    from foldnet.tables import Table

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


def weights_option(function: F) -> F:
    """``--weights``: the weights of a network of which FILE is the architecture."""
    return click.option(
        "--weights",
        type=FILE,
        metavar="WEIGHTS",
        help="The file of the weights, if FILE is the JSON of an architecture.",
    )(function)


def table_options(*, required: bool, help: str) -> Callable[[F], F]:
    """``--data`` and how to read it; the command gets them as one ``tables`` argument."""
    options = (
        click.option("--data", multiple=True, required=required, metavar="TABLE", help=help),
        click.option(
            "--columns",
            multiple=True,
            metavar="LIST",
            help="Columns to use: names, positions or ranges, as in 1-11. Once for all tables, or once for each.",
        ),
        click.option("--drop", multiple=True, metavar="LIST", help="Columns to leave out, in the same form."),
        click.option("--delimiter", metavar="SIGN", help="Delimiter of a CSV; by default ; or tab or comma."),
        click.option(
            "--decimal",
            metavar="SIGN",
            default=".",
            help="Decimal sign of the numbers in a CSV, such as a comma.",
        ),
        click.option(
            "--na",
            multiple=True,
            metavar="TEXT",
            help="A text that means a missing value in a CSV; it is read as nan. May be repeated.",
        ),
        click.option(
            "--encoding",
            metavar="NAME",
            default="utf-8",
            help="Encoding of a CSV, such as latin-1 or utf-16.",
        ),
        click.option(
            "--header/--no-header", default=None, help="Whether the first line of a CSV names columns."
        ),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


LIKE_TRAINING = "Targets are numbers: write each text as the number that it had in the training."
"""What to do about a column of targets that is texts."""


@dataclass(frozen=True)
class TableOptions:
    """Where the rows are, and how to read them."""

    data: tuple[str, ...]
    columns: tuple[str, ...] = ()
    drop: tuple[str | None, ...] = ()
    delimiter: str | None = None
    decimal: str = "."
    na: tuple[str, ...] = ()
    encoding: str = "utf-8"
    header: bool | None = None
    advice: str | None = None
    """What to do about a column that is not numbers; by default to leave it out."""
    choose: str | None = None
    """How to choose columns if there are too many."""

    def __post_init__(self) -> None:
        if self.delimiter == "\\t":  # the literal text that shells pass
            object.__setattr__(self, "delimiter", "\t")
        # Without a table, options for tables would be ignored without a message.
        if self.data:
            return
        usual = {f.name: f.default for f in fields(self) if f.name != "data"}
        if given := [name for name, value in usual.items() if getattr(self, name) != value]:
            raise click.UsageError(f"--{given[0]} is about reading --data; give --data too")

    def target(self, columns: str, advice: str = LIKE_TRAINING) -> TableOptions:
        """How to read the target: columns of the first table, or a ``.npy`` of its own."""
        if columns.endswith(".npy"):
            return replace(self, data=(columns,), columns=(), drop=(), advice=advice)
        return replace(self, data=self.data[:1], columns=(columns,), drop=(), advice=advice)

    def without(self, columns: str) -> TableOptions:
        """The same without the columns of the target, if they are in the first table."""
        if columns.endswith(".npy"):
            return self
        return replace(
            self, drop=tuple(_joined(d, columns) if i == 0 else d for i, d in enumerate(self.each("drop")))
        )

    def each(self, option: str) -> tuple[str | None, ...]:
        """An option's value for each table, whether given once for all or once for each."""
        from foldnet.errors import InputError

        given: tuple[str | None, ...] = getattr(self, option)
        if len(given) in (0, 1):
            return (given or (None,)) * len(self.data)
        if len(given) != len(self.data):
            raise InputError(
                f"--{option} was given {len(given)} times for {len(self.data)} of --data: give it once for all tables, "
                "or once for each, in their order"
            )
        return given

    def open(self, opened: ExitStack, texts: Sequence[bool] | None = None) -> list[Table]:
        """The tables, open for reading until the stack is closed.

        Args:
            opened: the stack.
            texts: for each table, whether its columns are texts; by default they are numbers.
        """
        from foldnet.errors import InputError
        from foldnet.tables import Selection, open_table
        from foldnet.tables.table import OTHER_COLUMNS

        for name in ("delimiter", "decimal"):
            sign = getattr(self, name)
            if sign is not None and len(sign) != 1:
                raise InputError(f"--{name} takes one character, not {sign!r}")
        return [
            opened.enter_context(
                open_table(
                    path,
                    Selection(columns, drop),
                    delimiter=self.delimiter,
                    header=self.header,
                    decimal=self.decimal,
                    missing=self.na,
                    encoding=self.encoding,
                    texts=are_texts,
                    advice=self.advice or OTHER_COLUMNS,
                )
            )
            for path, columns, drop, are_texts in zip(
                self.data,
                self.each("columns"),
                self.each("drop"),
                texts or [False] * len(self.data),
                strict=True,
            )
        ]

    def blocks(
        self,
        inputs: Mapping[str, Sequence[int | None]],
        opened: ExitStack,
        texts: Collection[str] = (),
        *,
        large: bool = False,
    ) -> Rows:
        """The rows of the tables for a network's inputs, block by block.

        Args:
            inputs: for each name the shape of one row.
            opened: a stack; the tables are open until it is closed.
            texts: names of the inputs that take texts.
            large: as for ``Table.block_rows``.

        Raises:
            InputError: not one table for each input, or rows of another shape.
        """
        from foldnet.errors import InputError

        if len(self.data) != len(inputs):
            once = f"one input, {next(iter(inputs))}: give --data once"
            several = f"{len(inputs)} inputs, {', '.join(inputs)}: give --data once for each, in this order"
            raise InputError(
                f"the network has {once if len(inputs) == 1 else several}; it was given {len(self.data)} times"
            )
        from foldnet.tables.predictions import CHOOSE, fitted

        tables = self.open(opened, [name in texts for name in inputs])
        return Rows(
            tables,
            [
                fitted(t, n, s, self.choose or CHOOSE)
                for t, (n, s) in zip(tables, inputs.items(), strict=True)
            ],
            large,
        )


def _joined(drop: str | None, more: str) -> str:
    return more if drop is None else f"{drop},{more}"


@dataclass(frozen=True)
class Rows:
    """Tables open side by side, one for each input of a network."""

    tables: Sequence[Table]
    shapes: Sequence[tuple[int, ...]]
    large: bool = False

    @property
    def count(self) -> int | None:
        """Number of rows, if known."""
        return self.tables[0].rows

    def __iter__(self) -> Iterator[list[Array]]:
        """Blocks: for each input an array of the same number of rows. Empty tables give one empty block."""
        from itertools import zip_longest

        import numpy as np

        from foldnet.errors import InputError

        rows, empty = min(table.block_rows(large=self.large) for table in self.tables), True
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


def load_network(file: str, weights: str | None = None) -> Network:
    """The network of a file that Keras wrote.

    Args:
        file: its path.
        weights: the path of the weights, if the file is the JSON of an architecture.

    Raises:
        InputError: the file is a frozen predictor, which no longer has layers.
    """
    import foldnet
    from foldnet.errors import InputError
    from foldnet.predictor.file import is_frozen

    if is_frozen(file):
        raise InputError(
            f"{file} is a frozen predictor: its layers are folded. Give the .keras or .h5 file that it was "
            "made from. To prove a predictor: foldnet verify NETWORK.keras --against PREDICTOR.foldnet"
        )
    return foldnet.load_model(file, weights=weights) if weights is not None else foldnet.load_model(file)


def network_rows(model: Network, options: TableOptions, opened: ExitStack) -> Rows:
    """The rows of the tables for a network's inputs."""
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    return options.blocks(shapes, opened, [t.name for t in model.inputs if t.dtype == "string"])


def print_json(document: object) -> None:
    """Print one JSON document; NaN and infinities, which JSON lacks, become strings."""
    say(json.dumps(plain(document), indent=2))


def plain(value: object) -> object:
    """The same as plain JSON data."""
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
def progress(what: str, total: int | None, *, show: bool = True) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr, if that is a terminal.

    It yields a function to call with the number of rows or parts done, and with their total if it is known only then.
    """
    if not (show and sys.stderr.isatty()):
        yield lambda done, total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total=None: bar.update(task, advance=done, total=total)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr during a slow step, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
