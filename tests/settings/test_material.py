"""Finding the training text and the tokenizer that settings name."""

import pytest

from engine.errors import UserError
from engine.places import builtin_dir
from engine.settings.material import find_data, find_tokenizer


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_taken_as_it_is_written(workspace):
    file = workspace / "my.jsonl"
    file.write_text("{}\n")
    found = find_data("my.jsonl")
    assert found.path == file and not found.note


def test_the_guide_s_dataset_folder_is_looked_up_under_datasets_and_said(workspace):
    (workspace / "datasets").mkdir()
    file = workspace / "datasets" / "a.jsonl"
    file.write_text("{}\n")
    found = find_data("dataset/a.jsonl")
    assert found.path == file
    assert "dataset/a.jsonl" in found.note and "datasets" in found.note


def test_the_shipped_text_is_found_from_any_folder():
    for spelling in ("datasets/mini_pretrain_data.jsonl", "dataset/mini_pretrain_data.jsonl"):
        found = find_data(spelling)
        assert found.path == builtin_dir("datasets") / "mini_pretrain_data.jsonl"
        assert bool(found.note) == spelling.startswith("dataset/")


def test_the_guide_s_full_text_is_not_shipped_and_says_where_it_is_had():
    with pytest.raises(UserError) as error:
        find_data("datasets/pretrain_data.jsonl")
    for word in ("jingyaogong/minimind_dataset", "gongjy/minimind_dataset", "--data_path", "--preset mini"):
        assert word in str(error.value)


def test_a_wrong_path_names_the_nearest_file(workspace):
    (workspace / "novels.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"There is no file novel\.jsonl.*novels\.jsonl"):
        find_data("novel.jsonl")


def test_a_tokenizer_is_a_file_or_its_folder(workspace):
    (workspace / "tokenizer.json").write_text("{}")
    assert find_tokenizer(".") == find_tokenizer("tokenizer.json") == workspace / "tokenizer.json"
    assert find_tokenizer("auto") == builtin_dir("datasets") / "tokenizer.json"
    with pytest.raises(UserError, match="--tokenizer"):
        find_tokenizer("elsewhere")


@pytest.mark.parametrize("find", [find_data, find_tokenizer])
def test_a_name_that_cannot_be_looked_at_is_told_in_a_short_message(find):
    with pytest.raises(UserError, match="too long") as refused:
        find("a" * 5000)
    assert len(str(refused.value)) < 400
