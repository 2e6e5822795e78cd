"""Sums of products: with a kernel, or of two values."""
