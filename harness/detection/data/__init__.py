"""Responses with marked hallucinations: RAGTruth's files, synthetic ones of that form, their tokens."""
