from models_fixtures import tiny_gguf, tiny_model, tiny_q4

__all__ = ["tiny_gguf", "tiny_model", "tiny_q4"]
