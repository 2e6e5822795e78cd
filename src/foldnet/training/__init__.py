"""Training: losses, metrics, optimizers, and the fit that runs them as one program."""
