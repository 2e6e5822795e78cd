"""The intermediate form between layers and engines: a closed set of ops, and rewrites of graphs of them."""
