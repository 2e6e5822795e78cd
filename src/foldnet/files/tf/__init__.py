"""TensorFlow functions and graph nodes in tf.keras's files."""
