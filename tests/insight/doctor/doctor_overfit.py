"""Networks that know their rows by heart, and networks that only look so: fitted in closed form, with histories."""

from functools import cache

import numpy as np

from foldnet import Sequential, layers, losses
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D

LOSSES = {
    "mse": (1, None, "mse"),
    "two": (1, "sigmoid", "binary_crossentropy"),
    "logits": (1, None, losses.BinaryCrossentropy(from_logits=True)),
    "sparse": (2, "softmax", "sparse_categorical_crossentropy"),
    "sparse logits": (2, None, losses.SparseCategoricalCrossentropy(from_logits=True)),
}


@cache
def fitted(loss, units, count, noise, sure):
    """Random ReLU units whose output layer is fitted to rows in closed form.

    Args:
        loss: a key of LOSSES.
        units: as many as rows know every row by heart.
        count: of rows.
        noise: of the targets, in units of what can be known.
        sure: factor of the logits; how sure of itself the network is.

    Returns:
        The network, its rows and targets, and 200 others.
    """
    generator = np.random.default_rng(units + count)
    x = generator.normal(size=(count + 200, 6)).astype(np.float32)
    known = x[:, 0] - x[:, 1] + noise * generator.normal(size=len(x))
    outputs, activation, function = LOSSES[loss]
    numbers = loss == "mse"
    y = known if numbers else (known > 0.3).astype(np.float64)
    model = Sequential([layers.Input((6,)), D(units, activation="relu"), D(outputs, activation=activation)])
    model.compile("sgd", function)
    kernel, bias = generator.normal(size=(6, units)) / 2, generator.normal(size=units)
    hidden = np.maximum(x[:count] @ kernel + bias, 0)
    wanted = y[:count] if numbers else sure * (2 * y[:count] - 1)
    weights = np.linalg.lstsq(np.c_[hidden, np.ones(count)], wanted, rcond=1e-6)[0]
    first, last = model.layers
    first.set_weights([kernel, bias])
    out = np.zeros((units + 1, outputs))
    out[:, -1] = weights
    last.set_weights([out[:-1], out[-1]])
    return model, (x[:count], y[:count]), (x[count:], y[count:])


def by_heart(loss="mse"):
    return fitted(loss, 60, 50, 1.0, 12.0)


def learned(loss="mse"):
    return fitted(loss, 8, 400, 0.5, 2.0)


def loss_on(model, rows):
    return Context(model, *rows).measured.loss()


def falling(start, end, epochs=40):
    return list(np.geomspace(start, end, epochs))


def valley(start, low, end, epochs=40):
    """Down for a quarter of the epochs, then up."""
    down = epochs // 4
    return falling(start, low, down) + falling(low, end, epochs - down + 1)[1:]


def few(made, count=20):
    """The same with so few validation rows that their loss says little."""
    model, trained, (x, y) = made
    return model, trained, (x[:count], y[:count])


def looked_at(made, rows=True, held=False, history=None):
    model, trained, others = made
    x, y = trained if rows else (None, None)
    return Context(model, x, y, history=history, validation_data=others if held else None)


def ended(made, times, **given):
    """A network of the end of a training whose validation loss had been lower by so many times."""
    now, trained = loss_on(made[0], made[2]), loss_on(made[0], made[1])
    history = {
        "loss": falling(3 * now, max(trained, 1e-9)),
        "val_loss": valley(3 * now, now / times, now),
    }
    return looked_at(made, history=history, **given)


def restored(made, **given):
    """A network that got its best weights back after the validation loss had risen."""
    now, trained = loss_on(made[0], made[2]), loss_on(made[0], made[1])
    loss = falling(3 * now, trained, 10) + falling(trained, trained / 50, 31)[1:]
    return looked_at(made, history={"loss": loss, "val_loss": valley(3 * now, now, 3 * now)}, **given)


def split(made, back):
    """The same with the rows that ``validation_split=0.2`` held back at the end of the data."""
    model, (x, y), (more, other) = made
    count = len(x) // 4
    held, now = (more[:count], other[:count]), loss_on(model, (more[:count], other[:count]))
    low, end = (now, 2 * now) if back else (now / 2, now)
    history = {"loss": falling(3 * now, 0.5 * now), "val_loss": valley(3 * now, low, end)}
    return Context(model, np.concatenate([x, held[0]]), np.concatenate([y, held[1]]), history=history)


def with_curve(values, loss=None, made=None):
    return looked_at(
        made or learned(),
        held=True,
        history={"loss": loss or falling(2, 0.01, len(values)), "val_loss": values},
    )


NOISY = list(0.1 * np.exp(0.3 * np.random.default_rng(0).normal(size=100)))

CASES = {
    "overfit": [
        (lambda: looked_at(by_heart(), held=True), "warning"),
        (lambda: looked_at(by_heart("two"), held=True), "warning"),
        (lambda: looked_at(by_heart("logits"), held=True), "warning"),
        (lambda: looked_at(by_heart("sparse"), held=True), "warning"),
        (lambda: looked_at(by_heart("sparse logits"), held=True), "warning"),
        (lambda: ended(by_heart(), 2.0, held=True), "warning"),
        (lambda: ended(by_heart("two"), 1.5), "warning"),
        (lambda: split(learned(), back=False), "warning"),
        (lambda: ended(by_heart(), 2.0, rows=False), "note"),
        (lambda: looked_at(learned(), held=True), None),
        (lambda: looked_at(learned("two"), held=True), None),
        (lambda: looked_at(learned("logits"), held=True), None),
        (lambda: looked_at(learned("sparse"), held=True), None),
        (lambda: looked_at(learned("sparse logits"), held=True), None),
        (lambda: looked_at(fitted("two", 8, 400, 0.5, 40.0), held=True), None),  # too sure, but of all rows
        (lambda: looked_at(few(by_heart()), held=True), None),
        (lambda: ended(by_heart(), 1.15, held=True), None),
        (lambda: restored(learned(), held=True), None),
        (lambda: restored(learned()), None),
        (lambda: split(learned(), back=True), None),
        (lambda: with_curve(NOISY), None),
        (lambda: with_curve([0.5]), None),
        (lambda: with_curve([np.nan] * 40), None),
        (lambda: with_curve(valley(-1, -3, -1)), None),
        (lambda: with_curve(valley(1, 1e-5, 1e-4)), None),
        (lambda: with_curve(valley(2, 0.1, 0.8), valley(2, 0.1, 0.8)), None),  # training itself went wrong
    ]
}
