"""The scripts of datasets/ are no package: their folder goes on the path, as running one of them does."""

import json
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
if str(DATASETS) not in sys.path:
    sys.path.append(str(DATASETS))


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    return DATASETS


@pytest.fixture(scope="session")
def mini_texts() -> list[str]:
    lines = (DATASETS / "mini_pretrain_data.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def shipped_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(DATASETS / "tokenizer.json"))
