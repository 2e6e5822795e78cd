"""What only training programs hold: statistics of the batch, randomness, sums over rows."""
