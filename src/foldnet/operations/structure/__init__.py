"""What moves values and changes none: shapes, parts, look-ups, types."""
