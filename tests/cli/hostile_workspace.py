"""A workspace in which everything that may hold a text holds one made to act on a terminal, a console or a page."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
from run_folders import write_run

from engine.run.folder import RunFolder
from engine.run.schema import EventKind, State

MARKED = "[bold red]markup[/bold red]"
"""Shown as it is written."""

EVIL = (
    "\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\x1b[2J\x1b[38;5;201mpink\x1bc\x1bPq\x1b\\"
    "\x9b2J\x9d0;title\x9c\x90q\x9c\u202egnp\u2066\u2067\u200f\u061c\x7f\x08\x07\r\x0b\x0c"
    f"{MARKED}[link=http://evil]x[/link]:skull: $(touch harmed) `touch harmed` "
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onload='x' </pre> | * _ # "
)

NAME = "\x1b]0;evil\x07\x9b2J\u202e[red]b[red]<script>"
"""A part of a file's name: no slash, no NUL."""

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What must never come out of a text; newlines and tabs may."""

OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)|\r(?=\x1b\[(?:2K|1A))")
"""Our own colours, and what rich moves a line of progress with; nothing of it is in EVIL but a colour."""


def acts_on_a_terminal(output: str, *, coloured: bool = False) -> list[str]:
    """What of an output does; with `coloured` our own colours are allowed, and the hostile one is not."""
    if coloured:
        assert "\x1b[38;5;201" not in output
        output = OWN.sub("", output)
    return [repr(output[max(0, found.start() - 40) : found.end() + 20]) for found in ACTS.finditer(output)]


def poisoned(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """`value` with EVIL in each of its texts, but for those under the keys that must make sense."""
    if isinstance(value, dict):
        return {key: one if key in keep else poisoned(one, keep) for key, one in value.items()} | {EVIL: EVIL}
    if isinstance(value, list):
        return [poisoned(one, keep) for one in value]
    return EVIL + value if isinstance(value, str) else value


KEEP = frozenset({"t", "kind", "created", "started", "state", "end_state", "files", "from_checkpoint", "sha256", "id"})


def make_hostile(workspace: Path, state: State = State.FAILED) -> RunFolder:
    """A run whose folder's name, records, logs and texts are all hostile; presets and data beside it."""
    made = write_run(workspace, f"evil-{state}", state=state)
    folder = RunFolder(made.path.with_name(f"{made.id}{NAME}"))
    made.path.rename(folder.path)
    texts = {"host": "h", "preset": "mini", "device": "cpu", "dtype": "fp32", "data_path": "/d/x.jsonl", "seed": 1}
    texts |= {"tokenizer_path": "/d/tokenizer.json", "data_fingerprint": "f", "tokenizer_hash": "t", "save_dir": "/out"}
    lineage = {"kind": "fork", "run": "parent", "step": 1, "settings": {"seed": [1, "a"]}}
    texts |= {"versions": {"torch": "2.13"}, "lineage": lineage}
    manifest = json.loads(folder.manifest.read_text()) | texts
    first = manifest["attempts"][0] | {"exact": False, "why_inexact": ["why"], "kept": ["kept"], "reason": "error"}
    second = first | {"attempt": 2, "from_checkpoint": "step-00000010", "device": "cpu", "dtype": "x"}
    manifest["attempts"] = [first, second]
    lineage = poisoned(lineage, KEEP) | {"settings": {EVIL: [EVIL, EVIL]}}
    write(folder.manifest, poisoned(manifest, KEEP) | {"lineage": lineage})
    status = json.loads(folder.status.read_text()) | {"message": "m", "reason": "error", "phase": "p", "host": "h"}
    write(folder.status, poisoned(status, KEEP))
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    lines = [line | {EVIL: 1.0, "more": EVIL} for line in lines]
    folder.metrics.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    kinds = [*map(str, EventKind), "lr_scale", EVIL]
    fields = dict.fromkeys(["message", "reason", "text", "prompt", "op", "name", "id", "device", "dtype", "path"], EVIL)
    fields |= {"why_inexact": [EVIL], "exact": False, "accepted": False, "before": EVIL, "after": EVIL, EVIL: EVIL}
    shared = {"v": 1, "t": "2026-11-24T03:15:00.000Z", "attempt": 2, "step": 20, "start_step": 20}
    folder.events.write_bytes(b"".join(orjson.dumps(shared | fields | {"kind": kind}) + b"\n" for kind in kinds))
    write(folder.annotations, {"v": 1, "title": EVIL[:80], "note": EVIL})
    folder.annotations.write_bytes(orjson.dumps({"title": "T " + MARKED + "\x1b[2J\x9b\u202e", "note": EVIL}))
    folder.trainer_log.write_bytes((EVIL + "\n").encode() * 5)
    toml = folder.run_toml.read_text().replace("sample_prompts = [", f"sample_prompts = [{json.dumps(EVIL)}, ", 1)
    folder.run_toml.write_text(toml)
    for checkpoint in folder.checkpoints.iterdir():
        record = json.loads((checkpoint / "checkpoint.json").read_text())
        record |= {"host": "h", "surroundings": {"torch": "x"}}
        write(checkpoint / "checkpoint.json", poisoned(record, KEEP | {"files"}))
    (workspace / "presets").mkdir(exist_ok=True)
    preset = f"[preset]\nsummary = {json.dumps(EVIL)}\n[training]\nepochs = 1\n"
    (workspace / "presets" / f"p{NAME}.toml").write_text(preset)
    (workspace / "presets" / f"broken{NAME}.toml").write_text(f"[{json.dumps(EVIL)}]\nx = 1\n")
    (workspace / "datasets").mkdir(exist_ok=True)
    data = workspace / "datasets" / f"d{NAME}.jsonl"
    rows = [json.dumps({"text": f"{number} {EVIL}", EVIL: EVIL}) for number in range(40)]
    data.write_text("\n".join([*rows, EVIL, json.dumps({EVIL: 1}), '"' + MARKED + '"']) + "\n")
    return folder


def write(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value))
