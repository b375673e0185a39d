"""Each source file is one thing of readable size that says what it is, and carries nothing of how it was made."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from source_tree import ROOT, Module, read_modules

MODULES = read_modules()
LINES_AT_MOST = 400
LONGER: dict[str, int] = {}
"""Files that are one thing and longer all the same: path and lines allowed."""

TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".txt", ".po", ".cfg", ""}
# Written so that this file does not match itself.
UNWANTED = {
    r"(?<![\w.])/(?:work|root)/": "a path of one machine",
    r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b": "a mark of unfinished work",
    r"(?i)index-" + r"url|trusted-" + r"host|python" + r"hosted|artifact" + r"ory": "where packages come from",
    r"(?i)\bfoun" + r"der\b|\bsub-?ag" + r"ent|\bissues? sh" + r"ow\b|\bthis ses" + r"sion of": "how it was written",
}


def test_modules_are_of_readable_size() -> None:
    long = [
        f"{module.place}: {lines} lines"
        for module in MODULES.values()
        if (lines := _lines(module)) > LONGER.get(module.place, LINES_AT_MOST)
    ]
    assert not long, "\n".join(long)


def test_modules_say_what_they_are() -> None:
    silent = [
        module.place
        for module in MODULES.values()
        if not ast.get_docstring(ast.parse(module.path.read_text(encoding="utf-8")))
    ]
    assert not silent, "\n".join(silent)


def test_the_allowance_for_longer_files_is_used() -> None:
    lines = {module.place: _lines(module) for module in MODULES.values()}
    assert [place for place in LONGER if lines.get(place, 0) <= LINES_AT_MOST] == []


def test_tracked_files_tell_nothing_that_is_not_the_project_s() -> None:
    files = _tracked()
    assert ROOT / "pyproject.toml" in files
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:80]}"
        for path in files
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for pattern, what in UNWANTED.items()
        if re.search(pattern, line)
    ]
    assert not found, "\n".join(found)


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: nothing says which files are the project's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _lines(module: Module) -> int:
    return len(module.path.read_text(encoding="utf-8").splitlines())
