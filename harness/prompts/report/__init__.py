"""What an optimization run did: its log, its prompt file, and one page about it."""
