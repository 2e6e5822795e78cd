"""Two ways to compute a graph: ``reference`` is the meaning, ``native`` the speed."""
