"""Tables of real measurements: those of this repository, and those that come with scikit-learn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from sklearn import datasets

from tests.insight.doctor.sets.record import Rows, in_deviations, standard

FOLDER = Path(__file__).resolve().parents[4] / "data"


@functools.cache
def _table(name: str) -> Rows:
    """Features, and the last column as numbers; texts are numbered in their order."""
    cells = np.loadtxt(FOLDER / name, delimiter=",", skiprows=1, dtype=str)
    last = cells[:, -1]
    numbers = last.astype(np.float32) if last[0][0].isdigit() else np.unique(last, return_inverse=True)[1]
    return Rows(cells[:, :-1].astype(np.float32), numbers)


def flowers() -> Rows:
    """150 flowers, four lengths in cm, three species."""
    return _table("iris.csv")


def quality() -> Rows:
    """1,599 red wines, eleven measurements, a quality of 3 to 8."""
    return _table("wine.csv")


def grades() -> Rows:
    """The same with columns and targets of mean 0 and deviation 1."""
    return in_deviations(standard(quality()))


def wines() -> Rows:
    """178 wines, thirteen measurements up to 1,680, three growers."""
    x, y = datasets.load_wine(return_X_y=True)
    return Rows(x.astype(np.float32), y)


def tumours() -> Rows:
    """569 tumours, thirty measurements up to 4,254, benign or not."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return Rows(x.astype(np.float32), y.astype(np.float32))


def progress() -> Rows:
    """442 patients, ten measurements with deviation 1, the progress of their diabetes, 25 to 346."""
    x, y = datasets.load_diabetes(return_X_y=True)
    return Rows((x / x.std(axis=0)).astype(np.float32), y.astype(np.float32))


def exercise() -> Rows:
    """20 men: three exercises, and weight, waist and pulse."""
    x, y = datasets.load_linnerud(return_X_y=True)
    return Rows(x.astype(np.float32), y.astype(np.float32))


def raw_digits() -> Rows:
    """1,000 pictures of 8 by 8 pixels as rows, 0 to 255, and their digits."""
    x, y = datasets.load_digits(return_X_y=True)
    return Rows((x[:1000] * 255 / 16).astype(np.float32), y[:1000])


def digits() -> Rows:
    """The same, 0 to 1."""
    rows = raw_digits()
    return Rows(rows.x / 255, rows.y)


def pictures() -> Rows:
    """The first 800 as pictures with one channel."""
    rows = digits()
    return Rows(rows.x[:800].reshape(-1, 8, 8, 1), rows.y[:800])
