"""What is done to each value alone: functions of one value, of two, and a choice."""
