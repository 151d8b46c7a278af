"""The command `harness predict`: what the cost model says, how wrong it is, and how it is fitted here."""
