"""What a hand-written prediction must contain, and a proof that it contains it.

At prediction time Dropout is nothing, and BatchNormalization uses the statistics that training has stored.
"""

from pathlib import Path

import numpy as np

import foldnet

MODEL = Path(__file__).resolve().parent.parent / "data" / "models" / "wine.keras"
model = foldnet.load_model(MODEL)


def dense(name, x):
    layer = model.get_layer(name)
    return x @ layer.kernel + layer.bias


def normalized(name, x):
    norm = model.get_layer(name)
    return (x - norm.moving_mean) / np.sqrt(norm.moving_variance + norm.epsilon) * norm.gamma + norm.beta


def by_hand(x):
    for k in (1, 2, 3):
        x = np.maximum(dense(f"dense_{k}", x), 0)
        x = normalized(f"norm_{k}", x)  # Dropout stood here; it does nothing now
    return dense("quality", x)


def without_the_root(x):
    """The formula with a common mistake: the variance instead of its square root."""
    for k in (1, 2, 3):
        x = np.maximum(dense(f"dense_{k}", x), 0)
        norm = model.get_layer(f"norm_{k}")
        x = (x - norm.moving_mean) / (norm.moving_variance + norm.epsilon) * norm.gamma + norm.beta
    return dense("quality", x)


print(foldnet.verify(by_hand, model))
print()
print(foldnet.verify(without_the_root, model))
