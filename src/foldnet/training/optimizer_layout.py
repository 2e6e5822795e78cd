"""The generations of Keras, by which variables of an optimizer their files hold.

It imports nothing, so that a file is read without loading the training.
"""

from __future__ import annotations

from enum import Enum


class Layout(Enum):
    """Which variables an optimizer keeps, and in what order."""

    KERAS_3 = "Keras 3"
    TF_KERAS = "tf_keras, and tf.keras since 2.11"
    OPTIMIZER_V2 = "tf.keras up to 2.10, and its optimizers.legacy since"
