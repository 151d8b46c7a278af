"""System 3: every field of a company's documents, with its evidence, under a call budget."""
