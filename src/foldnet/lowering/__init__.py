"""Lower a network to the graph of one mode, prediction or training."""
