"""`harness optimize-prompt`: the room's parts put together, from files to a saved prompt and its report."""
