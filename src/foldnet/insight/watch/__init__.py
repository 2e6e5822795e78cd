"""Record the statistics of every BatchNormalization during training, and report them."""
