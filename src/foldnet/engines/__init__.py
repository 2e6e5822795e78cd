"""Two engines that compute a graph: ``reference`` defines the results, ``native`` is fast."""
