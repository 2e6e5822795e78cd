"""Operations that search: the interval of a value, and the entry of a whole number in a table."""
