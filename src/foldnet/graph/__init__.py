"""The intermediate representation between layers and engines: graphs of a closed set of ops."""
