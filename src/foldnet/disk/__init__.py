"""Opening files for reading, and writing files atomically."""
