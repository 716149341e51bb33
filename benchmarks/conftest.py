"""pytest finds the modules beside this file by name, as run.py does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
