"""Operations of training programs only: statistics of the batch, randomness, sums over rows."""
