"""Operations that go through the steps of a sequence and carry a state from one to the next."""
