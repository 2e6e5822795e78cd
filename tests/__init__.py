"""The tests, as a package: what they share is imported by its whole name."""
