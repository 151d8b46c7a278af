from models_fixtures import tiny_model

__all__ = ["tiny_model"]
