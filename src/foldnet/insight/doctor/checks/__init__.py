"""The checks, a file for what they look at; ``run.py`` puts their tables ``CHECKS`` in order."""
