"""``fit_many`` with 100 narrow networks, in times of one network's ``fit``: 100 is no gain, 50 is two processors' best.

The networks are new ones, as a sweep has them; what is timed is training, not building them. First both ways must give
the same bits. They are timed by turns, and the smallest times of many turns compared, so that another program that has
the processors for a while changes nothing.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from foldnet import Input, Sequential, fit_many, layers, optimizers
from foldnet.at_once import default_threads
from foldnet.utils import set_random_seed

UNITS, ROWS, BATCH, EPOCHS = (11, 10, 8, 6, 1), 1024, 32, 50
NUMBER = 100
AT_MOST = 55

RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, UNITS[0])).astype(np.float32)
Y = (X @ RNG.normal(size=(UNITS[0], 1))).astype(np.float32)
SETTINGS = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0}


def networks(number: int) -> list[Sequential]:
    """New networks with initial weights."""
    set_random_seed(0)
    found = []
    for _ in range(number):
        hidden = [layers.Dense(units, activation="relu") for units in UNITS[1:-1]]
        model = Sequential([Input((UNITS[0],)), *hidden, layers.Dense(UNITS[-1])])
        model.compile(optimizers.Adam(0.001), "mse")
        found.append(model)
    return found


def check() -> None:
    """Stop if the two ways differ in a bit."""
    alone, together = networks(8), networks(8)
    for one, other in zip(alone, together, strict=True):
        other.set_weights(one.get_weights())
        other.trainer.seed = one.trainer.seed
    losses = [model.fit(X, Y, **SETTINGS).history["loss"] for model in alone]
    histories = [history.history["loss"] for history in fit_many(together, X, Y, **SETTINGS)]
    same = all(
        np.array_equal(a, b)
        for one, other in zip(alone, together, strict=True)
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )
    if losses != histories or not same:
        raise SystemExit("fit_many gives other numbers than fit; nothing is timed")


def seconds(run) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def turn() -> tuple[float, float]:
    """Seconds of one fit, the smallest of some, and of NUMBER at once."""
    one = min(seconds(lambda m=model: m.fit(X, Y, **SETTINGS)) for model in networks(10))
    models = networks(NUMBER)
    return one, seconds(lambda: fit_many(models, X, Y, **SETTINGS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    check()
    turns = np.array([turn() for _ in range(5 if options.quick else options.rounds)])
    one, many = turns.min(axis=0)
    ratio, median = many / one, float(np.median(turns[:, 1] / turns[:, 0]))
    units = "-".join(map(str, UNITS))
    print(f"{units}, {ROWS} rows, batch {BATCH}, {EPOCHS} epochs, Adam, {default_threads()} processors")
    print(f"  one network, fit        {one * 1e3:>8.2f} ms")
    print(f"  {NUMBER} networks, fit_many  {many * 1e3:>8.2f} ms")
    # A smaller machine has no second processor to use.
    wanted = AT_MOST if default_threads() > 1 else 105
    verdict = "yes" if ratio <= wanted else "NO"
    print(f"  {ratio:.1f} times as long (median of turns {median:.1f})  wanted at most {wanted}: {verdict}")
    return 0 if ratio <= wanted else 1


if __name__ == "__main__":
    raise SystemExit(main())
