"""What slides a window along axes of a row: pooling."""
