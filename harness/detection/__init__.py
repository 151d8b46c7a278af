"""System 2: whether a model's answer is hallucinated, from what happens inside the model (ReDeEP)."""
