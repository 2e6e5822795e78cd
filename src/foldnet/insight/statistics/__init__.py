"""BatchNormalization's statistics of the data: re-estimated, compared, and restored."""
