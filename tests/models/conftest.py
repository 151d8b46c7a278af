from models_fixtures import tiny_gguf, tiny_model, tiny_q4
from models_toy import one_thread

__all__ = ["one_thread", "tiny_gguf", "tiny_model", "tiny_q4"]
