"""Names of runs, presets, data and weights that mean to leave their folders, or are no names: told in a sentence."""

import os
from pathlib import Path

import orjson
import pytest
from cli_helpers import Minimind
from run_folders import write_run

from engine.errors import UserError
from engine.run.checkpoints import scan
from engine.run.create import create_run, slug_of
from engine.run.delete import delete_run
from engine.run.find import find_run, list_runs
from engine.run.folder import RunFolder
from engine.run.fork import _ancestors
from engine.run.requested import run_weights
from engine.run.schema import Manifest
from engine.settings.material import find_data, find_tokenizer
from engine.settings.presets import load_preset
from minimind_tui.core.wizard.preset_file import preset_name_problem, save_preset
from minimind_tui.weight_sources import find_source

NAMES = [
    "..", ".", "../..", "../outside", "/etc", "/etc/passwd", "/", "//", "~", "~nobody-of-that-name/x", "a/../../b",
    "./..", "a\x00b", "a\nb", "\n", " ", "-", "--", "-rf", "--help", "x" * 300, "x" * 5000, "a/" * 2000,
    "/" + "x" * 300,
    "\u2024\u2024/x", "\uff0e\uff0e\uff0fx", "\u202e", "\u200b",
    "caf\u0065\u0301", "\ud800", "con", "*", "?", "[a]", "$HOME", "%s", "{x}",
    "\x1b[2J",
]  # fmt: skip

each_name = pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))


@pytest.fixture
def outside(workspace: Path) -> Path:
    """A folder beside the workspace with a run, a preset and a text that no name may reach."""
    place = workspace.parent / f"{workspace.name}-outside"
    place.mkdir()
    (place / "keep.txt").write_text("kept")
    return place


def contents(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


@each_name
def test_no_name_breaks_a_finder_or_makes_a_file_elsewhere(name: str, workspace: Path, outside: Path) -> None:
    write_run(workspace, "usual")
    before = contents(workspace.parent)
    for find in (
        lambda: find_run(workspace / "runs", name),
        lambda: load_preset(name),
        lambda: find_data(name),
        lambda: find_tokenizer(name),
        lambda: find_source(name, None, None),
        lambda: find_source(name + ".pth", None, None),
    ):
        try:
            find()
        except UserError as error:
            assert str(error)
    assert contents(workspace.parent) == before


@each_name
def test_a_run_s_name_is_a_part_of_its_id_and_stays_in_its_folder(name: str, workspace: Path) -> None:
    slug = slug_of(name)
    assert slug and "/" not in slug and slug[0] not in ".-" and slug.isprintable() and len(slug.encode()) <= 96
    folder = create_run(workspace / "runs", name, "")
    assert folder.path.parent == workspace / "runs" and folder.path.is_dir()
    assert [path.name for path in workspace.iterdir() if path.name != "texts.jsonl"] == ["runs"]


@each_name
def test_a_preset_s_name_is_a_file_s_in_its_folder_or_refused(name: str, workspace: Path) -> None:
    from engine.settings.settings import Settings

    try:
        path = save_preset(name, Settings(), summary="s", based_on="full", base=Settings())
    except UserError:
        assert not (workspace / "presets").exists() or not any((workspace / "presets").iterdir())
        return
    assert not preset_name_problem(name)
    assert path.parent == workspace / "presets" and path.is_file() and path.name[0] not in ".-"


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "x" * 300, "a/" * 2000], ids=range(3))
def test_no_name_on_the_command_line_ends_in_a_traceback(name: str, workspace: Path, minimind: Minimind) -> None:
    for words in (
        ["runs", "show", name], ["runs", "rm", name, "--yes"], ["plot", name], ["presets", "show", name],
        ["run", "--preset", name], ["run", "--data_path", name], ["run", "--tokenizer", name],
        ["run", "--config", name], ["run", "--preset", "mini", "--from_weight", name], ["data", "inspect", name],
        ["generate", name, "--prompt", "x"], ["fork", name], ["resume", name], ["runs", "report", "--output", name],
    ):  # fmt: skip
        called = minimind(*words)
        assert "Unexpected error" not in called.err, (words, called.err)
        assert called.code == 2, (words, called)


@pytest.mark.parametrize("how", ["evil", "runs/evil", "./runs/evil/", "runs/evil/."])
def test_removing_a_link_to_a_run_removes_the_link_alone(
    how: str, workspace: Path, outside: Path, minimind: Minimind
) -> None:
    precious = write_run(outside, "precious")
    (workspace / "runs").mkdir()
    (workspace / "runs" / "evil").symlink_to(precious.path)
    before = contents(outside)
    called = minimind("runs", "rm", how, "--yes")
    assert called.code == 0, called.err
    assert not (workspace / "runs" / "evil").is_symlink()
    assert contents(outside) == before


def test_deleting_follows_no_link_out_of_the_run(workspace: Path, outside: Path) -> None:
    run = write_run(workspace, "linked")
    (run.path / "out").symlink_to(outside)
    (run.weights / "out.pth").symlink_to(outside / "keep.txt")
    (run.checkpoints / "step-00000099").symlink_to(outside)
    delete_run(run)
    assert not run.path.exists() and (outside / "keep.txt").read_text() == "kept"


@pytest.mark.parametrize("name", ["../../outside/x", "/tmp/x", "..", "a/b", "a\x00b", ""])
def test_names_in_a_manifest_lead_nowhere(name: str, workspace: Path, outside: Path) -> None:
    run = write_run(workspace, "told")
    manifest = orjson.loads(run.manifest.read_bytes())
    manifest |= {"weights_name": name.encode("utf-8", "replace").decode(), "id": "../x", "name": "/etc"}
    manifest["lineage"] = {"kind": "fork", "run": manifest["weights_name"], "step": 1}
    manifest["attempts"][0]["from_checkpoint"] = manifest["weights_name"]
    run.manifest.write_bytes(orjson.dumps(manifest))
    assert run.read_manifest().weights_name in (None, "", name.encode("utf-8", "replace").decode())
    assert _ancestors(run) == frozenset({run.id})
    weights = run_weights(run)
    assert weights.path.is_relative_to(run.path)
    assert [run.id] == [one.id for one in list_runs(workspace / "runs")]


def test_a_checkpoint_s_record_names_no_file_elsewhere(workspace: Path, outside: Path) -> None:
    from engine.run.checkpoints import verify

    run = write_run(workspace, "told")
    [info, *_others] = scan(run)
    record = orjson.loads((info.path / "checkpoint.json").read_bytes())
    for name in ("../../../x", "/etc/passwd", "..", "a/b", "a\x00b", ""):
        record["files"] = {name: {"size": 4, "sha256": "0"}}
        (info.path / "checkpoint.json").write_bytes(orjson.dumps(record))
        assert verify(scan(run)[0])


def test_a_run_s_own_weights_have_a_plain_name(workspace: Path) -> None:
    from engine.run.launch import stem_of

    manifest = Manifest(weights_name="../../../home/x")
    with pytest.raises(UserError, match="weights_name"):
        stem_of(manifest, "pretrain_16")
    assert stem_of(Manifest(weights_name="mine_16"), "pretrain_16") == "mine_16"
    assert stem_of(Manifest(), "pretrain_16") == "pretrain_16"


def test_a_folder_is_told_by_its_name_not_by_what_it_says(workspace: Path) -> None:
    run = write_run(workspace, "told")
    assert RunFolder(run.path).id == os.path.basename(run.path)  # noqa: PTH119
