"""Write ``table.tflite``, the table network as TensorFlow converts it. Needs tensorflow; run once."""

from pathlib import Path

import tensorflow as tf
from networks import TABLE, keras_model


def main():
    converter = tf.lite.TFLiteConverter.from_keras_model(keras_model(tf.keras, TABLE, "sigmoid"))
    Path(__file__).with_name("table.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
