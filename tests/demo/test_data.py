"""The committed tables are the published ones, and the packaged copies are theirs."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
DEMO = ROOT / "src" / "foldnet" / "demo"


def table(name):
    with (DATA / name).open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_the_wine_table_is_the_published_one():
    header, rows = table("wine.csv")
    assert len(rows) == 1599
    assert Counter(int(row[-1]) for row in rows) == {3: 10, 4: 53, 5: 681, 6: 638, 7: 199, 8: 18}
    values = dict(zip(header, np.array(rows, float).T, strict=True))
    published = {
        "fixed acidity": (4.6, 15.9, 8.319637), "volatile acidity": (0.12, 1.58, 0.527821),
        "citric acid": (0, 1, 0.270976), "residual sugar": (0.9, 15.5, 2.538806),
        "chlorides": (0.012, 0.611, 0.087467), "free sulfur dioxide": (1, 72, 15.874922),
        "total sulfur dioxide": (6, 289, 46.467792), "density": (0.99007, 1.00369, 0.996747),
        "pH": (2.74, 4.01, 3.311113), "sulphates": (0.33, 2, 0.658149), "alcohol": (8.4, 14.9, 10.422983),
        "quality": (3, 8, 5.636023),
    }  # fmt: skip
    assert list(published) == header
    for name, (low, high, mean) in published.items():
        found = (values[name].min(), values[name].max(), values[name].mean())
        assert found == pytest.approx((low, high, mean), abs=5e-7), name


def test_the_rows_are_in_the_published_order():
    _, rows = table("wine.csv")
    assert rows[0] == [
        "7.4",
        "0.7",
        "0.0",
        "1.9",
        "0.076",
        "11.0",
        "34.0",
        "0.9978",
        "3.51",
        "0.56",
        "9.4",
        "5",
    ]
    assert [int(row[-1]) for row in rows[:10]] == [5, 5, 5, 6, 5, 5, 5, 7, 7, 5]
    assert int(rows[-1][-1]) == 6


def test_the_iris_table_is_the_published_one():
    header, rows = table("iris.csv")
    assert header == ["sepal length", "sepal width", "petal length", "petal width", "species"]
    assert Counter(row[-1] for row in rows) == {"setosa": 50, "versicolor": 50, "virginica": 50}
    values = np.array([row[:-1] for row in rows], float)
    np.testing.assert_allclose(values.mean(axis=0), [5.843333, 3.057333, 3.758, 1.199333], atol=5e-7)
    np.testing.assert_array_equal(values.min(axis=0), [4.3, 2.0, 1.0, 0.1])
    np.testing.assert_array_equal(values.max(axis=0), [7.9, 4.4, 6.9, 2.5])


def test_source_and_licence_are_stated():
    text = (DATA / "README.md").read_text()
    for phrase in ("10.24432/C56S3T", "10.24432/C56C76", "CC BY 4.0", "Cortez", "Fisher"):
        assert phrase in text


@pytest.mark.parametrize("path", ["wine.csv", "models/wine.keras", "models/wine.npz"])
def test_the_packaged_copies_are_the_same_files(path):
    assert (DATA / path).read_bytes() == (DEMO / Path(path).name).read_bytes()


@pytest.mark.parametrize("path", sorted((DATA / "models").iterdir()), ids=lambda p: p.name)
def test_models_are_small(path):
    assert path.stat().st_size < 100_000
