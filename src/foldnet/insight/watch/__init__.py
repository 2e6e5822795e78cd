"""A training as it runs: what the statistics of every BatchNormalization do, recorded, and reported afterwards."""
