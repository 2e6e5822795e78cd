"""Kernels divided by their largest singular value."""
