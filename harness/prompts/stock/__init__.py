"""The same task as a dspy program, for stock `dspy.GEPA` as the other arm."""
