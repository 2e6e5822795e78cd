"""The generations of Keras, which store different optimizer variables in different orders.

It imports nothing of foldnet, so that a file can be read without loading ``training``.
"""

from __future__ import annotations

from enum import Enum


class Layout(Enum):
    """Which variables an optimizer keeps, and in what order."""

    KERAS_3 = "Keras 3"
    TF_KERAS = "tf_keras, and tf.keras since 2.11"
    OPTIMIZER_V2 = "tf.keras up to 2.10, and its optimizers.legacy since"
