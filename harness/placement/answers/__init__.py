"""Questions, their answers, and the check of answers given earlier."""
