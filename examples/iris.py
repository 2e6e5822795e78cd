"""Train a small network on Iris and look at the statistics that BatchNormalization keeps.

Run it with ``python examples/iris.py``. A Keras script: with ``keras`` in place of ``foldnet`` it does the same.
"""

from pathlib import Path

import numpy as np

from foldnet.layers import BatchNormalization, Dense, Input
from foldnet.models import Model
from foldnet.optimizers import Adam
from foldnet.utils import set_random_seed, to_categorical

set_random_seed(1)

table = np.loadtxt(Path(__file__).parent.parent / "data" / "iris.csv", str, delimiter=",", skiprows=1)
x = table[:, :4].astype(float)
y = to_categorical(np.unique(table[:, 4], return_inverse=True)[1])

inputs = Input((4,))
normalized = BatchNormalization()(inputs)
hidden = Dense(4, activation="relu")(normalized)
outputs = Dense(3, activation="sigmoid")(hidden)

model = Model(inputs, outputs)
model.compile(Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=100, batch_size=32, verbose=0)

# One mean a feature: the axis that BatchNormalization is given, -1, is the one that it keeps.
moving_mean = model.layers[1].moving_mean
assert moving_mean.shape == (4,)
print("moving mean of each feature:", moving_mean)
print("mean of each feature:       ", x.mean(axis=0))
print(f"accuracy: {history.history['accuracy'][-1]:.3f}")
