"""Operations that move values without changing them: shapes, slices, look-ups, types."""
