"""Elementwise operations: functions of one value, of two, and a choice."""
