"""Operations along axes of a row: softmax, statistics of a row, reductions."""
