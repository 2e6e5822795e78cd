"""A prediction graph as C: compiled for this machine, or written for any."""
