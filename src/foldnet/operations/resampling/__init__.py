"""Operations that give axes another length: picked positions, mixtures of positions, windows, and images of a shape."""
