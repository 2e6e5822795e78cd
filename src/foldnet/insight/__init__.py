"""Tools that analyze networks, each in a folder: explain, verify, doctor, statistics, watch."""
