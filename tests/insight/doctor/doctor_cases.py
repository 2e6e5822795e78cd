"""For each check of the doctor, networks with the fault, and networks nearly with it."""

import numpy as np

from foldnet import Sequential, layers, losses
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, rows, settled, stack
from tests.insight.doctor.doctor_sick import (
    B,
    after,
    averaged,
    batch_mode,
    block,
    dead,
    dropped,
    exchanged,
    far,
    formats,
    hard,
    images,
    old,
    output,
    put,
    replicas,
    script,
    shape_fixed,
    siamese,
    small_inputs,
    steps,
    swapped_gamma,
    through,
    time_steps,
    with_x,
)

# For each check: (a network with the fault, its severity), (one that nearly has it).
CASES = {
    "not-finite": [
        (lambda: put(block(), "bn", moving_variance=np.nan), "error"),
        (lambda: put(block(), "d", kernel=np.inf), "error"),
        (lambda: put(block(), "bn", moving_variance=-0.5), "error"),
        (lambda: put(block(), "bn", moving_variance=-0.0001), "warning"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.0, 1, 8), moving_mean=1e30), None),
    ],
    "statistics-never-updated": [
        (lambda: put(block(), "bn", moving_mean=0, moving_variance=1), "error"),
        (lambda: put(block(), "bn", moving_mean=0, moving_variance=np.linspace(0.999, 1, 8)), None),
        (lambda: Sequential([layers.Input((5,)), B(), D(1)]), None),
    ],
    "statistics-not-converged": [
        (lambda: steps(after(0.99**20)[0], 20), "error"),
        (lambda: steps(after(0.99**100)[0], 100), "warning"),
        (lambda: steps(after(0.99**20)[0], 20, after(0.99**20)[1]), "warning"),
        (lambda: steps(after(0.99**300)[0], 300), None),
        (lambda: steps(put(block(), "bn", moving_variance=0.2), 100), None),  # so they came from elsewhere
    ],
    "statistics-differ-from-data": [
        (lambda: with_x(after(0.0)[0], after(0.0)[1] * 4 + 1), "warning"),
        (lambda: with_x(*after(0.8)), "warning"),
        (lambda: with_x(*after(0.05)), None),
    ],
    "small-batch-variance": [
        (lambda: with_x(*replicas(0.5)), "warning"),
        (lambda: with_x(*replicas(0.93)), None),
    ],
    "averaged-weights": [
        (lambda: with_x(*averaged(True, 2.0)), "error"),
        (lambda: with_x(*averaged(True, 0.0)), None),
        (lambda: averaged(True, 2.0)[0], None),
    ],
    "batch-of-one": [
        (lambda: put(block(), "bn", moving_variance=0.99**500), "error"),
        (lambda: put(block(), "bn", moving_variance=0.0), "error"),
        (lambda: put(block(), "bn", moving_variance=[0.0, *np.linspace(0.5, 1, 7)]), None),
    ],
    "epsilon-dominates": [
        (lambda: with_x(*small_inputs(0.005)), "warning"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(1e-5, 2e-4, 8)), "warning"),
        (lambda: with_x(*small_inputs(0.1)), None),
        (lambda: put(block(), "bn", moving_variance=[1e-5, *np.linspace(0.5, 1, 7)]), None),
        (lambda: put(block(), "bn", moving_mean=4, moving_variance=[0.6, 0.5, 0.4, *[1e-13] * 5]), None),
    ],
    "dropout-before-normalization": [
        (lambda: dropped(0.5)[0], "warning"),
        (lambda: with_x(*dropped(0.5)), "warning"),
        (lambda: dropped(0.05)[0], None),
        (lambda: with_x(*dropped(0.02)), None),
        (lambda: stack(D(8), B(), layers.ReLU(), layers.Dropout(0.5), D(1)), None),
        (lambda: stack(D(8, activation="selu"), layers.AlphaDropout(0.5), B(), D(1)), None),
    ],
    "high-dropout": [
        (lambda: stack(D(8, activation="relu"), layers.Dropout(0.9), D(1)), "warning"),
        (lambda: stack(D(8, activation="relu"), layers.Dropout(1.0), D(1)), "error"),
        (lambda: stack(D(8, activation="relu"), D(1), layers.Dropout(0.2)), "warning"),
        (lambda: stack(D(8, activation="relu"), layers.Dropout(0.6), D(1)), None),
    ],
    "frozen-normalization": [
        (lambda: put(block(B(name="bn", trainable=False)), "bn", moving_mean=0, moving_variance=1), "warning"),
        (lambda: old("2.1.6", trainable=False), "warning"),
        (lambda: old("2.2.4-tf", trainable=False), None),
        (lambda: block(B(name="bn", trainable=False)), None),
    ],
    "epsilon-on-port": [
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.001, 1, 8)), "note"),
        (lambda: put(block(), "bn", moving_variance=np.linspace(0.1, 1, 8)), None),
    ],
    "momentum-reversed": [
        (lambda: block(B(name="bn", momentum=0.1)), "warning"),
        (lambda: with_x(*after(0.5, momentum=0.1)), "warning"),
        (lambda: with_x(*after(0.0, momentum=0.1)), None),
        (lambda: block(B(name="bn", momentum=0.3)), None),
    ],
    "variance-bessel": [
        (lambda: images(2), "note"), (lambda: images(9), None), (lambda: images(2, "3.5.0"), None),
    ],
    "weight-order": [
        (lambda: with_x(*exchanged(True)), "error"),
        (lambda: swapped_gamma(0, 1), "warning"),
        (lambda: block(B(name="bn", scale=False)), "note"),
        (lambda: with_x(*exchanged(False)), None),
        (lambda: swapped_gamma(0, 0), None),
        (lambda: swapped_gamma(1, 0), None),
    ],
    "shared-normalization": [
        (lambda: with_x(*siamese(3.0)), "warning"), (lambda: with_x(*siamese(0.2)), None),
    ],
    "fold-across-nonlinearity": [
        (lambda: stack(D(8, activation="relu"), B(name="bn"), D(1)), "note"),
        (lambda: put(stack(D(8, activation="relu"), B(name="bn"), D(1)), "bn", moving_mean=0, beta=0), None),
        (lambda: stack(D(8), B(name="bn"), layers.ReLU(), D(1)), None),
    ],
    "gamma-zero-or-negative": [
        (lambda: put(block(), "bn", gamma=0), "error"),
        (lambda: put(block(), "bn", gamma=[0, 1, 1, 1, 1, 1, 1, 1]), "warning"),
        (lambda: put(block(), "bn", gamma=[-1, 1, 1, 1, 1, 1, 1, 1]), "note"),
        (lambda: put(block(), "bn", gamma=1e-9), None),
    ],
    "useless-bias": [
        (lambda: stack(D(8), B(), layers.ReLU(), D(1)), "note"),
        (lambda: stack(D(8, activation="relu"), B(), D(1)), None),
        (lambda: stack(D(8, use_bias=False), B(), layers.ReLU(), D(1)), None),
        (lambda: stack(D(8), B(axis=1), layers.Flatten(), D(1), shape=(3, 4)), None),
    ],
    "cancellation": [
        (lambda: with_x(*far(5e4)), "warning"), (lambda: far(2e3)[0], "note"), (lambda: far(500)[0], None),
    ],
    "axis-and-data-format": [
        (lambda: formats(-1, "channels_first"), "error"), (lambda: formats(1, "channels_last"), "error"),
        (lambda: formats(1, "channels_first"), None),
        (lambda: stack(B(axis=-1), layers.Flatten(data_format="channels_first"), D(1), shape=(3, 4)), "error"),
        (lambda: stack(B(axis=1), layers.Flatten(), D(1), shape=(3, 4)), None),
    ],
    "axis-not-channels": [
        (shape_fixed, "error"), (lambda: time_steps(1), "warning"),
        (lambda: with_x(*time_steps(1, x_only=True)), "warning"),
        (lambda: time_steps(-1), None), (lambda: time_steps(1, x_only=True)[0], None),
        (lambda: with_x(*time_steps(-1, x_only=True)), None),
    ],
    "softmax-one-unit": [
        (lambda: stack(D(1, activation="softmax")), "error"),
        (lambda: with_x(stack(D(3), layers.Reshape((3, 1)), layers.Softmax())), "error"),
        (lambda: stack(D(2, activation="softmax")), None),
        (lambda: stack(layers.Reshape((5, 1)), layers.Softmax(axis=1), shape=(5,)), None),
    ],
    "loss-and-activation": [
        (lambda: output("sigmoid", 3, "categorical_crossentropy"), "warning"),
        (lambda: output("sigmoid", 1, "categorical_crossentropy"), "error"),
        (lambda: output("softmax", 3, "binary_crossentropy"), "warning"),
        (lambda: output("tanh", 1, "binary_crossentropy"), "error"),
        (lambda: output("sigmoid", 1, "hinge"), "warning"),
        (lambda: output(None, 3, "kl_divergence"), "error"),
        (lambda: output(None, 1, "poisson"), "warning"),
        (lambda: output("sigmoid", 3, "binary_crossentropy"), None),
        (lambda: output("softmax", 3, "mse"), None),
        (lambda: output("exponential", 1, "poisson"), None),
    ],
    "logits-and-activation": [
        (lambda: output("softmax", 3, losses.CategoricalCrossentropy(from_logits=True)), "error"),
        (lambda: output("sigmoid", 1, losses.BinaryCrossentropy(from_logits=True)), "error"),
        (lambda: output(None, 1, "binary_crossentropy"), "error"),
        (lambda: output(None, 3, losses.SparseCategoricalCrossentropy(from_logits=True)), None),
        (lambda: output("softmax", 3, "sparse_categorical_crossentropy"), None),
    ],
    "output-activation": [
        (lambda: with_x(put(stack(D(1, activation="relu", name="d")), "d", bias=-99)), "error"),
        (lambda: with_x(put(stack(D(1, activation="relu", name="d")), "d", bias=-0.7)), "warning"),
        (lambda: output("relu", 1, "mse"), "note"),
        (lambda: output("softplus", 1, "mse"), None),
    ],
    "target-out-of-reach": [
        (lambda: with_x(output("sigmoid", 1, "mse"), y=np.linspace(0, 9, 400)[:, None]), "error"),
        (lambda: with_x(output("relu", 1, "mse"), y=np.linspace(-1, 99, 400)[:, None]), "warning"),
        (lambda: with_x(output("softmax", 3, "sparse_categorical_crossentropy"), y=np.arange(400) % 4), "error"),
        (lambda: with_x(output("sigmoid", 1, "mse"), y=np.linspace(0, 1, 400)[:, None]), None),
        (lambda: with_x(output("softmax", 3, "sparse_categorical_crossentropy"), y=np.arange(400) % 3), None),
    ],
    "training-baked-in": [
        (lambda: through(True), "error"), (lambda: through(False), "note"), (lambda: through(None), None),
        (lambda: through(True, rate=0.0), None),
    ],
    "missing-activation": [
        (lambda: stack(D(8), D(3)), "warning"),
        (lambda: stack(D(8), layers.Dropout(0.1), B(), layers.Activation("linear"), D(3)), "warning"),
        (lambda: stack(D(8, activation="relu"), D(2), D(3)), None),
        (lambda: stack(D(8), layers.ReLU(), D(3)), None),
    ],
    "layer-never-added": [
        (lambda: Context(block(), script=script("layers.BatchNormalization()")), "warning"),
        (lambda: Context(block(), script=script("BatchNormalization()(x)")), "warning"),
        (lambda: Context(block(), script=script("norm = BatchNormalization(axis=1)")), "warning"),
        (lambda: Context(block(), script=script("norm = BatchNormalization()\nx = norm(x)")), None),
    ],
    "dead-units": [
        (lambda: with_x(*dead(8)), "error"), (lambda: with_x(*dead(6)), "warning"),
        (lambda: put(stack(D(6, activation="sigmoid"), D(6, activation="relu", name="d"), D(1)),
                     "d", kernel=-1, bias=-0.1), "error"),
        (lambda: with_x(*dead(2)), None), (lambda: dead(8)[0], None),
    ],
    "saturated-units": [
        (lambda: with_x(*hard(500)), "warning"), (lambda: with_x(*hard(500, "sigmoid")), "warning"),
        (lambda: with_x(*hard(2)), None),
    ],
    "input-scale": [
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() * 200), "warning"),
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() / 255), "warning"),
        (lambda: with_x(settled(stack(B(), D(1)), rows()), rows() * 60 + 100), "error"),
        (lambda: with_x(settled(stack(B(), D(1)), rows() * 60 + 100), rows()), "error"),
        (lambda: with_x(stack(D(4, activation="relu"), D(1)), rows() * 5), None),
        (lambda: with_x(settled(stack(B(), D(1)), rows() * 60 + 100), rows(seed=7) * 60 + 100), None),
    ],
    "depends-on-other-rows": [
        (lambda: Context(block(), rows(), candidate=batch_mode(None)), "error"),
        (lambda: Context(block(), rows(), candidate=lambda x: x.sum(axis=1) * (1 + 1e-7)), None),
    ],
}  # fmt: skip
