"""Operations with a window that moves along axes of a row: pooling."""
