"""`harness detect`: from responses to a judged detector and its report."""
