"""What a network does, said and proved, each in a folder: explain, verify, doctor, statistics, watch."""
