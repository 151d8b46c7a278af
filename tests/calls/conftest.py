import sys
from pathlib import Path

from models_fixtures import tiny_model

__all__ = ["tiny_model"]

# what the tests of this folder share, as scripts import it too
sys.path.append(str(Path(__file__).parent))
