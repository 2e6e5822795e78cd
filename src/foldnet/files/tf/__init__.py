"""What tf.keras's files hold beside layers: functions of TensorFlow, and nodes of its graphs."""
