import sys
from pathlib import Path

# what these tests share with those of the optimizer
sys.path.append(str(Path(__file__).parent.parent / "optimize"))
