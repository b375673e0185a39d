"""The writer of run folders lies with the application's tests; these use it as well."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
