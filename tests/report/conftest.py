import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, in English."""
    from engine.language import set_language

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIMIND_RUNS", raising=False)
    set_language("en")
    return tmp_path
