"""Nothing in the tree turns what it reads into code, or a text into a shell command; nothing widens rights."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import ROOT

SHIPPED = ("engine", "minimind_tui")
TREE = (*SHIPPED, "benchmarks", "datasets", "docs", "tests")

EXECUTES = {
    "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open", "dill.load",
    "dill.loads", "joblib.load", "cloudpickle.load", "cloudpickle.loads", "pandas.read_pickle",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.hub.load", "torch.jit.load",
    "asyncio.create_subprocess_shell", "builtins.eval", "builtins.exec", "pty.spawn", "code.interact",
}  # fmt: skip
WIDENS = {"os.chmod", "os.fchmod", "os.lchmod", "os.umask", "tempfile.mktemp"}
ALLOWED_HERE = {
    # sums written out in the shipped data are worked out by the test that proves them
    ("tests/datasets/test_mini_data.py", "eval"),
    ("tests/cli/test_runs_and_plots.py", "__import__"),
}


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a name, with what the name was imported as resolved: `from torch import load` is `torch.load`."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            head, _dot, rest = name.partition(".")
            head = known.get(head, head)
            yield (f"{head}.{rest}" if rest else head), node


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def wrong_calls(source: str, place: str = "") -> list[str]:
    """What of a source reads code from data, runs a shell or widens rights: its calls by line."""
    found = []
    for name, call in calls_in(ast.parse(source)):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        method = name.rpartition(".")[2]
        bad = name in EXECUTES and (place, name) not in ALLOWED_HERE
        if name in ("torch.load", "torch.serialization.load"):
            bad = not _is(given.get("weights_only"), True)
        elif name in ("numpy.load", "np.load", "numpy.lib.format.open_memmap"):
            bad = "allow_pickle" in given and not _is(given["allow_pickle"], False)
        bad |= "shell" in given and not _is(given["shell"], False)
        bad |= any(keyword.arg is None and name.startswith(("torch.load", "np.load")) for keyword in call.keywords)
        if place.startswith(SHIPPED):
            bad |= name in WIDENS or method in ("chmod", "lchmod")
        if bad:
            found.append(f"{place}:{call.lineno} {name}")
    return found


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def sources() -> list[Path]:
    return [path for top in TREE for path in sorted((ROOT / top).rglob("*.py"))]


def test_no_source_runs_what_it_reads() -> None:
    found = [wrong for path in sources() for wrong in wrong_calls(path.read_text("utf-8"), str(path.relative_to(ROOT)))]
    assert not found, "\n".join(found)
    assert len(sources()) > 300


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import torch\ntorch.load('x', weights_only=maybe)",
        "import torch as t\nt.load('x', **options)",
        "from torch import load\nload('x')",
        "from pickle import loads as read\nread(b'')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import yaml\nyaml.load('x')",
        "eval(text)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.Popen(command, shell=flag)",
        "from os import system\nsystem('ls')",
        "import os\nos.chmod('x', 0o666)",
        "path.chmod(0o666)",
        "import tempfile\ntempfile.mktemp()",
    ],
)
def test_the_reader_sees_what_is_wrong(source: str) -> None:
    assert wrong_calls(source, "engine/x.py")


def test_the_reader_lets_pass_what_is_right() -> None:
    source = "import torch, subprocess\ntorch.load('x', weights_only=True)\nmodel.eval()\nre.compile('x')\n"
    assert not wrong_calls(source + "subprocess.run(['ls'], shell=False)", "engine/x.py")


def test_files_and_folders_are_made_with_the_rights_the_umask_leaves() -> None:
    """0o666 of a file and 0o777 of a folder, which the umask narrows; no file is made narrower or wider by us."""
    found = []
    for path in (path for path in sources() if path.relative_to(ROOT).parts[0] in SHIPPED):
        for name, call in calls_in(ast.parse(path.read_text("utf-8"))):
            flags = ast.unparse(call.args[1]) if name == "os.open" and len(call.args) > 1 else ""
            usual = len(call.args) > 2 and ast.unparse(call.args[2]) == ast.unparse(ast.Constant(0o666))
            if "O_CREAT" in flags and not usual:
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}")
            if name.rpartition(".")[2] in ("mkdir", "makedirs") and any(k.arg == "mode" for k in call.keywords):
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not found, found


def test_no_source_names_a_place_in_the_shared_temporary_folder() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        if path.relative_to(ROOT).parts[0] in SHIPPED
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("/tmp", "/var/tmp"))
    ]
    assert not found, found
