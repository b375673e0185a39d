"""runs/README.md and the code say the same, and reading a run stays cheap and free of torch."""

import json
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel

import engine.run
from engine.run import guard_record, observe, schema
from engine.run.annotations import FILE_BYTES, NOTE_LENGTH, TITLE_LENGTH, Annotations
from engine.run.control import MAX_REQUEST, OPERATIONS
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.trainer_log import MAX_BYTES

TEXT = (Path(__file__).parents[2] / "runs" / "README.md").read_text(encoding="utf-8")
COMMON = ["v", "t", "attempt", "step"]


def tables() -> list[tuple[str, list[list[str]]]]:
    """(the line that introduces it, rows of cells) of every table of the page."""
    found: list[tuple[str, list[list[str]]]] = []
    before, lines = "", TEXT.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            rows = []
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append([cell.strip() for cell in row.strip("|").split("|")])
            found.append((before + " " + lines[number - 1], rows))
        elif line and not line.startswith("|"):
            before = line
    return found


def names_after(words: str) -> list[str]:
    """The first column of the table whose introduction has `words`."""
    matching = [rows for intro, rows in tables() if words in intro]
    assert len(matching) == 1, (words, len(matching))
    return [cell.strip("`") for row in matching[0] for cell in row[0].split(", ")]


@pytest.mark.parametrize(
    ("words", "model", "common"),
    [
        ("Every line, and status.json", schema.Record, False),
        ("attempt opens with a header", schema.AttemptHeader, True),
        ("else by the supervisor", schema.Status, True),
        ("A process is", schema.ProcessIdentity, False),
        ("## manifest.json", schema.Manifest, False),
        ("An entry of `attempts`", schema.AttemptRecord, False),
        ("A `train` line", schema.TrainLine, True),
        ("A `validation` line", schema.ValidationLine, True),
        ("## events.jsonl | key", schema.Event, True),
        ("Append a line to ask", schema.Request, True),
        ("last; it carries what every line does", schema.CheckpointRecord, True),
        ("The course of the learning rate is", schema.CourseRecord, False),
        ("Written by whoever looks at the run", Annotations, False),
        ("anything that follows from it", guard_record.GuardRecord, False),
        ("A rollback:", guard_record.Rollback, False),
        ("An autopsy:", guard_record.Autopsy, False),
        ("A document:", guard_record.NamedDocument, False),
    ],
)
def test_every_field_is_specified_and_nothing_else(words: str, model: type[BaseModel], common: bool) -> None:
    fields = [name for name in model.model_fields if not (common and name in COMMON)]
    assert sorted(names_after(words)) == sorted(fields)


def test_the_answer_to_a_request() -> None:
    named = names_after("Every request is answered once")
    assert sorted(named) == sorted(set(schema.ControlAnswer.model_fields) - {*COMMON, "kind", "message"})


@pytest.mark.parametrize(
    ("words", "enum"),
    [("### States", schema.State), ("### Reasons", schema.Reason), ("| kind |", schema.EventKind)],
)
def test_every_word_is_specified(words: str, enum: type[StrEnum]) -> None:
    assert names_after(words) == [str(word) for word in enum]


def test_states_are_marked_as_what_they_are() -> None:
    ((_intro, rows),) = [table for table in tables() if "### States" in table[0]]
    for name, how, _meaning in rows:
        state = schema.State(name.strip("`"))
        expected = "inferred" if state in schema.INFERRED_STATES else "written"
        assert how == (expected + ", final" if state in schema.FINAL_STATES else expected)


def test_phases_codes_operations_and_bounds() -> None:
    (phase,) = [row[2] for _intro, rows in tables() for row in rows if row[0] == "`phase`"]
    assert re.findall(r"`(\w+)`", phase) == [str(phase) for phase in schema.Phase]
    assert [int(code) for code in names_after("| worker's exit code")] == [int(code) for code in WorkerExit]
    ((_intro, operations),) = [table for table in tables() if "| op |" in table[0]]
    assert {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in operations} == {
        op: set(arguments.model_fields) for op, arguments in OPERATIONS.items()
    }
    assert f"format {schema.FORMAT}" in TEXT.splitlines()[0]
    assert f"A line is {MAX_REQUEST >> 10} KiB at most" in TEXT and f"beyond {MAX_BYTES >> 20} MiB" in TEXT
    assert f"below; {guard_record.KEPT_AUTOPSIES} at most" in TEXT
    assert f"below; {guard_record.KEPT_DOCUMENTS} at most" in TEXT
    assert f"at most {TITLE_LENGTH} characters" in TEXT and f"at most {NOTE_LENGTH} characters" in TEXT
    assert f"more than {FILE_BYTES >> 10} KiB" in TEXT
    assert f"older than {observe.SILENCE_SECONDS:.0f} s means `crashed`" in TEXT
    assert f"for {observe.STALL_INTERVALS:.0f} usual intervals" in TEXT


def test_every_file_of_the_folder_is_listed() -> None:
    folder = RunFolder(Path("x"))
    paths = [value for name in vars(RunFolder) if isinstance(value := getattr(folder, name), Path) and name != "path"]
    assert len(paths) == 12
    for path in paths:
        assert re.search(rf"^ +{re.escape(path.name)}(/|/? .*)$", TEXT, re.MULTILINE), path.name


@pytest.mark.parametrize("name", ["train", "validation"])
def test_an_old_reader_takes_a_newer_writer_s_line(name: str) -> None:
    model = {"train": schema.TrainLine, "validation": schema.ValidationLine}[name]
    line = {"v": 2, "t": "", "attempt": 1, "step": 1, "epoch": 0, "tokens": 1, "elapsed": 0.1, "loss": None, "lr": 1.0}
    read = model.model_validate(line | {"of_the_future": [1]})
    assert read.model_extra is not None and read.model_extra["of_the_future"] == [1]


def test_the_room_imports_neither_torch_nor_numpy_and_quickly() -> None:
    modules = sorted(
        path.stem for path in Path(next(iter(engine.run.__path__))).glob("*.py") if path.stem != "__init__"
    )
    with_settings = (
        "launch",
        "requested",
        "fork",
        "taking_over",
        "course",
        "resumability",
        "replay",
        "replay_plan",
        "verifying",
    )  # these bring the settings along
    mine = [name for name in modules if name not in with_settings]
    code = (
        "import json, sys, time\nbefore = time.process_time()\n"
        + "".join(f"import engine.run.{name}\n" for name in mine)
        + "print(json.dumps([time.process_time() - before, sorted(sys.modules)]))"
    )
    seconds, loaded = min(
        json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)) for _ in range(2)
    )
    assert not {"torch", "numpy", "textual", "typer", "engine.settings.settings", "psutil"} & set(loaded)
    assert seconds < 0.6  # 0.2 on an idle core
