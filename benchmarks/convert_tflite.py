"""A .keras file as .tflite, converted by TensorFlow, in a process of its own: ``convert_tflite.py from to rows``.

TensorFlow is one of the peers' packages (``requirements.txt``); it is not needed by foldnet.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf


def main():
    source, target, rows = sys.argv[1:]
    model = keras.models.load_model(source, compile=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            layer.unroll = True  # TensorFlow Lite has no loop as fast
    given = keras.Input(batch_shape=(int(rows), *model.inputs[0].shape[1:]))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(given, model(given)))
    Path(target).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
