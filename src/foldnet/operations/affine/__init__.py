"""A scaling and an offset: what BatchNormalization is at prediction time."""
