"""Predict one part of a data set: from one Parquet file to one Parquet file, block by block."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.atomic import write_whole
from foldnet.errors import FoldnetError, InputError, UnsupportedError
from foldnet.scale.record import RECORD, stamp
from foldnet.scale.sources import Source
from foldnet.tables.predictions import column_names, fitted, flat, text_inputs
from foldnet.tables.read import ParquetTable, load_pyarrow
from foldnet.tables.select import Selection

if TYPE_CHECKING:
    from foldnet.predictor import Predictor

BLOCK_VALUES, BLOCK_ROWS = 2**20, 2**16
"""The largest block: a row group of the results, so it is larger than a block of text."""


@dataclass(frozen=True)
class Job:
    """All that a worker must know to make one part.

    Attributes:
        source: the file to read, by its whole path.
        folder: of the results, by its whole path; the part gets the name of its source there.
        recipe: digest of the recipe, for the stamp.
        version: of foldnet, which a worker on another machine must have, too.
        columns: for each input, the names of its columns.
        keep: names of columns that are kept; None for all.
    """

    source: Source
    folder: Path
    recipe: str
    version: str
    columns: tuple[tuple[str, ...], ...]
    keep: tuple[str, ...] | None

    @property
    def target(self) -> Path:
        """The path to write."""
        return self.folder / self.source.name


@dataclass(frozen=True)
class Outcome:
    """What became of a part.

    Attributes:
        name: of the part.
        rows: how many were written.
        seconds: that it took, and of these ``predicting``.
        predicting: seconds in the predictor; the rest went into reading and writing.
        fault: why it was not made; None if it was.
    """

    name: str
    rows: int = 0
    seconds: float = 0.0
    predicting: float = 0.0
    fault: str | None = None


def predict_part(predictor: Predictor, job: Job) -> Outcome:
    """Make one part. What is wrong with its source is in the outcome.

    Raises:
        InputError: this machine does not see the folder of the results.
        UnsupportedError: it has another version of foldnet.
        OSError: the part cannot be written; nothing of it remains.
    """
    from foldnet import __version__

    started = time.perf_counter()
    if job.version != __version__:
        raise UnsupportedError(
            f"a worker has foldnet {__version__}, not {job.version}; install the same version on all machines"
        )
    if not (job.folder / RECORD).exists():
        # On another machine, the parts would be written to a folder of the same name that nobody knows.
        raise InputError(
            f"{platform.node()} does not see {job.folder}; all machines must have the same paths, and nobody "
            f"may remove the folder or its {RECORD} during the work"
        )
    job.target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as opened:
            work = _Work(predictor, job, open_inputs(predictor, job.source, job.columns, opened))
            write_whole(job.target, work.write)
    except FoldnetError as error:
        return Outcome(job.source.name, fault=str(error))
    return Outcome(job.source.name, work.rows, time.perf_counter() - started, work.predicting)


def open_inputs(
    predictor: Predictor, source: Source, columns: Sequence[Selection | tuple[str, ...]], opened: ExitStack
) -> list[ParquetTable]:
    """A part open for reading, once for each input of the network.

    Raises:
        InputError: it cannot be read, or has not the columns that the network takes.
        FileFormatError: it is not a Parquet file.
    """
    texts, tables = text_inputs(predictor), []
    for name, shape, chosen in zip(predictor.input_names, predictor.input_shapes, columns, strict=True):
        selection = chosen if isinstance(chosen, Selection) else Selection(chosen)
        with _reading(source):
            table = ParquetTable(source.path, selection, texts=name in texts)
        opened.enter_context(table)
        fitted(table, name, shape[1:])
        tables.append(table)
    return tables


@contextmanager
def _reading(source: Source) -> Iterator[None]:
    """Errors of the system while a part is read are faults of the part, not of the place of the results."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{source.path} cannot be read: {error.strerror or error}") from None


class _Work:
    """The rows of one part on their way from its source to its target."""

    def __init__(self, predictor: Predictor, job: Job, tables: list[ParquetTable]) -> None:
        self.rows, self.predicting = 0, 0.0
        self._arrow = load_pyarrow()
        self._predictor, self._job, self._tables = predictor, job, tables
        schema = tables[0].schema
        self._kept = schema.names if job.keep is None else list(job.keep)
        self._names = self._result_names()
        self._read = list(dict.fromkeys([*self._kept, *(n for t in tables for n in t.columns or ())]))
        self._check(schema)
        self._shapes = [
            fitted(t, n, s[1:])
            for t, n, s in zip(tables, predictor.input_names, predictor.input_shapes, strict=True)
        ]

    def write(self, path: Path) -> None:
        """Write all rows.

        Raises:
            FoldnetError: a row cannot be predicted, or the source is damaged.
            OSError: the target cannot be written.
        """
        tables = self._results()
        first = next(tables)
        try:
            writer = self._arrow.parquet.ParquetWriter(path, first.schema, write_page_checksum=True)
            try:
                for table in chain([first], tables):
                    writer.write_table(table)
            except BaseException:
                with suppress(OSError, self._arrow.ArrowException):  # a full disk fails here once more
                    writer.close()
                raise
            writer.close()
        except OSError as error:
            if error.errno is None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None

    def _results(self) -> Iterator[Any]:
        """Tables of the kept columns and the predictions, at least one."""
        source = self._job.source
        metadata = stamp(self._job.recipe, source.size, source.changed)
        for batch in self._batches():
            y = self._predicted(batch)
            arrays = [batch.column(name) for name in self._kept]
            arrays += [self._arrow.array(np.ascontiguousarray(column)) for column in y.T]
            fields = [batch.schema.field(name) for name in self._kept]
            fields += [
                self._arrow.field(name, array.type)
                for name, array in zip(self._names, arrays[len(fields) :], strict=True)
            ]
            yield self._arrow.Table.from_arrays(arrays, schema=self._arrow.schema(fields, metadata=metadata))
            self.rows += len(y)
        with _reading(source):
            same = source.is_as_it_was()
        if not same:
            raise InputError(f"{source.path} changed while it was read; predict it again")

    def _batches(self) -> Iterator[Any]:
        rows = max(1, min(BLOCK_ROWS, BLOCK_VALUES // max(1, len(self._read))))
        empty = True
        batches = self._tables[0].batches(rows, self._read)
        while True:
            with _reading(self._job.source):
                batch = next(batches, None)
            if batch is None:
                break
            empty = False
            yield batch
        if empty:  # a table without rows still has its columns
            fields = [self._tables[0].schema.field(name) for name in self._read]
            nothing = [self._arrow.array([], type=field.type) for field in fields]
            yield self._arrow.RecordBatch.from_arrays(nothing, schema=self._arrow.schema(fields))

    def _predicted(self, batch: Any) -> Array:
        arrays = [
            table.array(batch, self.rows).reshape(batch.num_rows, *shape)
            for table, shape in zip(self._tables, self._shapes, strict=True)
        ]
        started = time.perf_counter()
        y = flat(self._predictor(arrays[0] if len(arrays) == 1 else arrays))
        self.predicting += time.perf_counter() - started
        return y

    def _result_names(self) -> list[str]:
        names = column_names(self._predictor)
        if names is None:
            shape = self._predictor.output_shapes[0][1:]
            raise InputError(
                f"the network's results have rows of shape {shape}; a part holds results of one axis only"
            )
        return names

    def _check(self, schema: Any) -> None:
        where = self._job.source.path
        Selection(tuple(self._read)).places(len(schema.names), schema.names, str(where))
        for name in self._read:
            if schema.names.count(name) > 1:
                raise InputError(f"{where} has several columns with the name {name!r}")
        if both := sorted(set(self._kept) & set(self._names)):
            raise InputError(
                f"{where}: the column {both[0]!r} cannot be kept, since the predictions have this name"
            )
