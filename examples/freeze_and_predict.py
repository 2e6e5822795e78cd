"""A Keras file becomes a plain function: load, freeze, predict. No Keras is needed."""

from pathlib import Path

import numpy as np

import foldnet

DATA = Path(__file__).resolve().parent.parent / "data"

model = foldnet.load_model(DATA / "models" / "wine.keras")
model.summary()

predict = foldnet.freeze(model)

table = np.loadtxt(DATA / "wine.csv", delimiter=",", skiprows=1, dtype=np.float32)
wines, quality = table[:, :11], table[:, 11]

print("\none wine:   ", predict(wines[:1]))
print("all wines:  ", predict(wines).shape)
print("mean error: ", np.abs(predict(wines)[:, 0] - quality).mean().round(3))
print("same bits:  ", np.array_equal(predict(wines[:1]), predict(wines)[:1]))
