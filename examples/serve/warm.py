"""Compile the networks of an image while it is built: the image that runs needs no compiler."""

import os
from pathlib import Path

import numpy as np

from foldnet import freeze

predict = freeze(os.environ.get("WINE_MODEL", Path(__file__).with_name("wine.keras")), engine="native")
print(predict, predict(np.zeros((1, 11), np.float32)))
