"""A frozen network as a shared library with a Python package around it, and as wheels of that package."""
