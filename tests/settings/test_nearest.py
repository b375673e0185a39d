import pytest

from engine.settings.nearest import did_you_mean, nearest

SETTINGS = ["batch_size", "learning_rate", "max_seq_len", "hidden_size", "num_hidden_layers", "save_interval", "seed"]
PRESETS = ["mini", "full", "minimind2", "minimind3"]


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("--batch-size", SETTINGS, "batch_size"),
        ("Batch_Size", SETTINGS, "batch_size"),
        ("batchsize", SETTINGS, "batch_size"),
        ("batch_szie", SETTINGS, "batch_size"),
        ("size_batch", SETTINGS, "batch_size"),
        ("batch", SETTINGS, "batch_size"),
        ("lr", SETTINGS, "learning_rate"),
        ("learnig-rate", SETTINGS, "learning_rate"),
        ("num_layers_hidden", SETTINGS, "num_hidden_layers"),
        ("sed", SETTINGS, "seed"),
        ("mni", PRESETS, "mini"),
        ("imni", PRESETS, "mini"),
        ("ful", PRESETS, "full"),
        ("minimind-2", PRESETS, "minimind2"),
        ("minimind", PRESETS, "minimind2"),
        ("MINI", PRESETS, "mini"),
    ],
)
def test_the_meant_name_is_found(name: str, candidates: list[str], expected: str) -> None:
    assert nearest(name, candidates) == expected


@pytest.mark.parametrize("name", ["", "---", "tokenizer", "xyz", "q", "wandb_project"])
def test_nothing_close_gives_nothing(name: str) -> None:
    assert nearest(name, SETTINGS) is None
    assert did_you_mean(name, SETTINGS) == ""


def test_an_exact_name_beats_a_close_one() -> None:
    assert nearest("minimind3", PRESETS) == "minimind3"
    assert nearest("minimind3", reversed(PRESETS)) == "minimind3"


def test_the_sentence_names_the_suggestion() -> None:
    assert did_you_mean("--bacth-size", SETTINGS) == " Did you mean batch_size?"
