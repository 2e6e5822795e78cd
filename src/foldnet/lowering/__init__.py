"""From a network to a graph: the program for one mode, made from what each layer means."""
