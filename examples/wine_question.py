"""Train the network of 11 features with Dropout and BatchNormalization, and get at every weight by name.

Run it with ``python examples/wine_question.py``. It is a Keras script: with ``keras`` in place of ``foldnet`` it does
the same. Its last layer, softmax over one unit, gives 1 whatever goes in; that mistake is the question's own.
"""

from pathlib import Path

import numpy as np

from foldnet import Sequential, layers

table = np.loadtxt(Path(__file__).parent.parent / "data" / "wine.csv", delimiter=",", skiprows=1)
features, quality = table[:, :11], table[:, 11]
lowest, highest = features.min(axis=0), features.max(axis=0)
x = (features - lowest) / (highest - lowest)
order = np.random.default_rng(0).permutation(len(x))
train, valid = order[: int(0.7 * len(x))], order[int(0.7 * len(x)) :]

model = Sequential(
    [
        layers.Dense(10, activation="relu", input_shape=[11]),
        layers.Dropout(0.3),
        layers.BatchNormalization(),
        layers.Dense(8, activation="relu"),
        layers.Dropout(0.3),
        layers.BatchNormalization(),
        layers.Dense(6, activation="relu"),
        layers.Dropout(0.3),
        layers.BatchNormalization(),
        layers.Dense(1, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="mae")
history = model.fit(
    x[train],
    quality[train],
    validation_data=(x[valid], quality[valid]),
    batch_size=256,
    epochs=100,
    verbose=0,
)
print(f"loss {history.history['loss'][-1]:.4f}, validation loss {history.history['val_loss'][-1]:.4f}")
for layer in model.layers:
    print(layer.name, [w.shape for w in layer.get_weights()])
