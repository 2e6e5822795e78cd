"""A small data set of partitioned Parquet files, and what the whole table gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import foldnet as fn

WINE = Path(__file__).resolve().parents[2] / "data" / "models" / "wine.keras"


@dataclass
class Lake:
    """A data set, and its predictions made from the whole table at once."""

    folder: Path
    model: Path
    names: list[str]
    x: Any
    y: Any
    parts: list[str]

    def results(self, folder):
        """The predictions in a folder of results, in the order of the rows."""
        tables = [pq.read_table(path) for path in sorted(Path(folder).rglob("*.parquet"))]
        whole = pa.concat_tables([table.select(["id", "prediction"]) for table in tables])
        order = np.argsort(whole["id"].to_numpy())
        assert np.array_equal(whole["id"].to_numpy()[order], np.arange(len(self.x)))
        return whole["prediction"].to_numpy()[order][:, None]

    def assert_equal(self, folder):
        """The same bits, row by row."""
        results = self.results(folder)
        assert results.dtype == self.y.dtype
        assert results.tobytes() == self.y.tobytes()


def write_lake(folder, rng, parts=6, rows=300):
    """Parts in two partitions, with rows that differ and an id."""
    with (WINE.parents[1] / "wine.csv").open() as file:
        names = file.readline().strip().split(",")
        wines = np.loadtxt(file, delimiter=",")
    x = wines[rng.integers(0, len(wines), parts * rows)] * rng.uniform(0.8, 1.2, (parts * rows, 1))
    paths = []
    for k in range(parts):
        here = slice(k * rows, (k + 1) * rows)
        path = folder / f"year={2023 + k % 2}" / f"part-{k}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {name: x[here, i] for i, name in enumerate(names)} | {"id": np.arange(len(x))[here]}
        pq.write_table(pa.table(columns), path, row_group_size=110)
        paths.append(path.relative_to(folder).as_posix())
    return Lake(folder, WINE, names[:-1], x[:, :-1], fn.freeze(WINE)(x[:, :-1]), sorted(paths))
