"""Predict a data set part by part: what is missing is made, what is there stays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from foldnet.disk.atomic import leftover_of
from foldnet.disk.locking import locked
from foldnet.errors import ConfigError
from foldnet.scale.columns import Choice, Choices, Chosen
from foldnet.scale.part import Job, Outcome, predict_part
from foldnet.scale.record import (
    RECORD,
    Recipe,
    Record,
    check_same,
    model_digest,
    read_record,
    read_stamp,
)
from foldnet.scale.report import BrokenPartsError, Report
from foldnet.scale.sources import ENDINGS, Source, find_sources
from foldnet.tables.predictions import column_names

if TYPE_CHECKING:
    from foldnet.predictor import Predictor


def predict_parts(
    predictor: Predictor,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    columns: Choices = None,
    drop: Choices = None,
    keep: Choice = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_part: Callable[[Outcome, int], object] | None = None,
) -> Report:
    """Predict a data set of Parquet files: each part becomes a part of the same relative name in another folder.

    Parts are read and written block by block. A part gets its name when it is complete. After a run that was ended in
    any way, the same call makes what is missing: parts that are there, made in the same way from the same file (size
    and time), are not made again. Results whose part is not in the data any more are removed.

    Args:
        predictor: of ``freeze`` or ``load_predictor``.
        data: a folder, also with partitions (``year=2024/part-0.parquet``), a pattern
            (``"lake/year=2024/*.parquet"``), or a Parquet file.
        out: the folder of the results, which is created.
        columns: the columns that the network takes: names, positions or ranges as text (``"1-11"``,
            ``"pH,alcohol"``), or a list of names; for a network of several inputs a dict of these by input. By default
            all columns. The names are those of the first part that can be read; other parts may have them in another
            order.
        drop: columns to leave out, in the same form.
        keep: columns of the data to have in the results, before the predictions, in the same form; ``"all"`` for all.
        scheduler: address of a Dask scheduler, ``"tcp://host:8786"``. Its workers make the parts, so they need foldnet,
            and the same paths. By default the parts are made in this process, one after the other.
        overwrite: start again in a folder that has other results or other files.
        on_part: called after every part with its ``Outcome`` and the number of parts of the data.

    Returns:
        A report with the number of parts and rows.

    Raises:
        BrokenPartsError: some parts are no Parquet files, are damaged, or have not the columns or values that the
            network takes. All others have been predicted; the error's ``report`` has the reasons.
        InputError: there is no part; the folder has results of another model, other columns or other data; or the
            scheduler does not answer or went away.
        UnsupportedError: pyarrow is missing, or Dask with ``scheduler``.
        OSError: a part cannot be written; those before it remain.

    >>> import tempfile, numpy as np, pyarrow as pa, pyarrow.parquet as pq
    >>> from foldnet import Sequential, freeze, layers
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "in" / "year=2024").mkdir(parents=True)
    >>> table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0], "id": [7, 8]})
    >>> pq.write_table(table, folder / "in" / "year=2024" / "x.parquet")
    >>> predict = freeze(Sequential([layers.Input((2,)), layers.Dense(1)]))
    >>> report = predict_parts(predict, folder / "in", folder / "out", columns=["a", "b"], keep=["id"])
    >>> report.made, report.rows, pq.read_table(folder / "out" / "year=2024" / "x.parquet").column_names[:2]
    (1, 2, ['id', 'prediction'])
    """
    started = time.perf_counter()
    folder = Path(out).absolute()  # workers may be in other folders
    chosen = Chosen(predictor.input_names, columns, drop, keep)
    report = Report(os.fspath(data), os.fspath(out), columns=column_names(predictor) or [])
    whole = os.path.abspath(data)  # noqa: PTH100 - it may be a pattern
    sources = find_sources(whole, folder)
    report.parts = len(sources)
    _check_place(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        record = _record(predictor, whole, folder, chosen, sources, overwrite=overwrite)
        jobs = _jobs(record.recipe, folder, sources)
        left = [job for job in jobs if overwrite or not _is_made(job, report)]
        record.complete, record.parts = False, len(sources)
        record.write(folder)
        report.removed = _clean(folder, {job.target for job in jobs})
        with closing(_outcomes(predictor, left, scheduler)) as outcomes:
            for outcome in outcomes:
                _add(report, outcome, folder)
                if on_part is not None:
                    on_part(outcome, len(sources))
        if scheduler is not None:
            _clean(folder, {job.target for job in jobs})  # what lost workers left
        record.complete, record.rows, record.broken = report.complete, report.rows, report.broken
        record.write(folder)
    report.seconds = time.perf_counter() - started
    if not report.complete:
        raise BrokenPartsError(report)
    return report


def _check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder with files of others, among which the parts would be lost."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; the results of a data set need a folder")
    if overwrite or not folder.exists() or (folder / RECORD).exists():
        return
    if other := sorted(folder.iterdir()):
        raise ConfigError(
            f"{folder} has files that foldnet did not write, such as {other[0].name}. Choose another folder, or give "
            "--force (overwrite=True) to write there."
        )


def _record(
    predictor: Predictor,
    data: str,
    folder: Path,
    chosen: Chosen,
    sources: Sequence[Source],
    *,
    overwrite: bool,
) -> Record:
    """The record of the folder, or a new one."""
    from foldnet import __version__

    model, text = model_digest(predictor), chosen.text()
    old = None if overwrite else read_record(folder)
    if old is not None:
        # Columns that were chosen in another way may be the same: positions and names, the command and Python.
        as_before = text == old.recipe.chosen or chosen.resolve(predictor, sources) == (
            old.recipe.columns,
            old.recipe.keep,
        )
        check_same(old.recipe, model, data, old.recipe.chosen if as_before else text, __version__, folder)
        return Record(old.recipe)
    columns, keep = chosen.resolve(predictor, sources)
    return Record(Recipe(__version__, model, data, columns, text, keep))


def _jobs(recipe: Recipe, folder: Path, sources: Sequence[Source]) -> list[Job]:
    digest = recipe.digest()
    return [Job(source, folder, digest, recipe.foldnet, recipe.columns, recipe.keep) for source in sources]


def _is_made(job: Job, report: Report) -> bool:
    """Whether a part is there, made by the same recipe from the file as it is now."""
    found = read_stamp(job.target)
    wanted = {"recipe": job.recipe, "size": job.source.size, "changed": job.source.changed}
    if found is None or any(found.get(key) != value for key, value in wanted.items()):
        return False
    report.found += 1
    report.rows += found["rows"]
    return True


def _clean(folder: Path, targets: set[Path]) -> int:
    """Remove what killed runs left, and results of parts that the data does not have any more."""
    removed = 0
    for path in sorted(folder.rglob("*")):
        if leftover_of(path) in targets or leftover_of(path) == folder / RECORD:
            path.unlink(missing_ok=True)
        elif path.suffix.lower() in ENDINGS and path not in targets and read_stamp(path) is not None:
            path.unlink()
            removed += 1
    return removed


def _outcomes(predictor: Predictor, jobs: Sequence[Job], scheduler: str | None) -> Generator[Outcome]:
    if scheduler is not None:
        from foldnet.scale.dask_cluster import run_on_cluster

        yield from run_on_cluster(scheduler, predictor, jobs)
        return
    for job in jobs:
        yield predict_part(predictor, job)


def _add(report: Report, outcome: Outcome, folder: Path) -> None:
    report.working += outcome.seconds
    report.predicting += outcome.predicting
    if outcome.fault is None:
        report.made += 1
        report.rows += outcome.rows
        return
    report.broken[outcome.name] = outcome.fault
    old = folder / outcome.name
    if read_stamp(old) is not None:  # of the part as it was before it was damaged
        old.unlink()
