"""Operations of training programs that draw random numbers, and that tell training from evaluation."""
