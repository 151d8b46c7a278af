"""`harness extract` and `harness corpus`: the room's parts put together, from files to tables."""
