"""The rooms of the house: who may import whom, and who stays free of torch."""

import graphlib
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from source_tree import PACKAGES, ROOT, read_modules

MODULES = read_modules()

# The rooms, lowest first. Each may import the rooms it names (and itself); `ground` is what lies beside the rooms.
GROUND = {"engine", "engine.errors", "engine.language", "engine.places", "engine.small_file"}
ROOMS: dict[str, set[str]] = {
    "ground": set(),
    "settings": {"ground"},
    "data": {"ground"},
    "run": {"ground", "settings"},
    "estimate": {"ground", "settings", "data", "run"},
    "model": {"ground", "settings"},
    "convert": {"ground", "settings", "estimate", "model"},
    "train": {"ground", "settings", "data", "run", "estimate", "model", "convert"},
    "worker": {"ground", "settings", "data", "run", "estimate", "model", "convert", "train"},
    "face": {"ground", "settings", "data", "run", "estimate"},
}
WITHOUT_TORCH = ("settings", "data", "run", "estimate")
WITHOUT_NUMPY = ("settings", "run")

# Where a heavy or a face's library may be imported at all: module prefixes.
TORCH_ROOMS = ("engine.model", "engine.train", "engine.convert", "engine.worker")
LIBRARIES = {
    "torch": TORCH_ROOMS,
    "safetensors": ("engine.convert", "engine.train"),
    "numpy": ("engine.data", "engine.estimate", *TORCH_ROOMS),
    "tokenizers": ("engine.data",),
    "tomlkit": ("engine.settings", "minimind_tui.core"),
    "typer": ("minimind_tui.cli",),
    "rich": ("minimind_tui",),
    "textual": ("minimind_tui.app",),
    "plotext": ("minimind_tui.charts",),
    "textual_plotext": ("minimind_tui.app.widgets.plot",),
    "wandb": ("engine.train.trackers",),
    "swanlab": ("engine.train.trackers",),
    "transformers": (),  # a reference for tests; nothing of ours needs it
}
COMES_WITH = {"pydantic_core": "pydantic", "annotated_types": "pydantic"}


def room_of(name: str) -> str:
    """The room a module stands in."""
    if name.partition(".")[0] == "minimind_tui":
        return "face"
    return "ground" if name in GROUND else name.split(".")[1]


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def test_every_module_stands_in_a_room() -> None:
    assert {room_of(name) for name in MODULES} <= set(ROOMS)
    assert len(MODULES) > 100  # the reader found them


def test_the_reader_sees_every_kind_of_import(tmp_path: Path) -> None:
    (tmp_path / "engine" / "run").mkdir(parents=True)
    (tmp_path / "minimind_tui").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("")
    (tmp_path / "engine" / "run" / "a.py").write_text("")
    (tmp_path / "engine" / "run" / "b.py").write_text(
        "import numpy.linalg\n"
        "from . import a\n"
        "from .. import run as up\n"
        "from .a import thing\n"
        "from engine.run import a as again\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from minimind_tui import app\n"
        "try:\n    import torch.nn as nn\nexcept ImportError:\n    pass\n"
        "class C:\n    import orjson\n    def f(self):\n        from engine.run.a import late\n"
    )
    found = [(one.target, one.line, one.eager) for one in read_modules(tmp_path)["engine.run.b"].imports]
    assert found == [
        ("numpy", 1, True),
        ("engine.run.a", 2, True),
        ("engine", 3, True),
        ("engine.run.a", 4, True),
        ("engine.run.a", 5, True),
        ("typing", 6, True),
        ("minimind_tui", 8, False),
        ("torch", 10, True),
        ("orjson", 14, True),
        ("engine.run.a", 16, False),
    ]


def test_the_rooms_themselves_form_no_cycle() -> None:
    order = list(graphlib.TopologicalSorter(ROOMS).static_order())
    assert order[0] == "ground" and set(order) == set(ROOMS)


def test_imports_respect_the_rooms() -> None:
    """Those within functions too: an import may come late, but not from above."""
    wrong = [
        f"{module.place}:{found.line} imports {found.target}"
        for module in MODULES.values()
        for found in module.imports
        if found.target.partition(".")[0] in PACKAGES
        and room_of(found.target) not in {room_of(module.name)} | ROOMS[room_of(module.name)]
    ]
    assert not wrong, "\n".join(wrong)


def test_libraries_stay_where_they_belong() -> None:
    wrong = [
        f"{module.place}:{found.line} imports {found.target}"
        for module in MODULES.values()
        for found in module.imports
        if found.target in LIBRARIES and not within(module.name, LIBRARIES[found.target])
    ]
    assert not wrong, "\n".join(wrong)


def test_the_face_has_layers() -> None:
    """The application and the command line share `core` and the modules beside it, and know nothing of each other."""
    refused = {
        "minimind_tui.core": ("minimind_tui.app", "minimind_tui.cli"),
        "minimind_tui.app": ("minimind_tui.cli",),
        "minimind_tui.cli": ("minimind_tui.app",),
    }
    wrong = [
        f"{module.place}:{found.line} imports {found.target}"
        for module in MODULES.values()
        for found in module.imports
        for layer, others in refused.items()
        if within(module.name, (layer,)) and within(found.target, others) and found.target != "minimind_tui.app.entry"
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_form_no_cycle() -> None:
    graph = {
        module.name: {found.target for found in module.imports if found.eager and found.target in MODULES}
        for module in MODULES.values()
    }
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail("imported in a circle: " + " -> ".join(error.args[1]))
    assert set(order) == set(MODULES)


def test_every_imported_library_is_declared() -> None:
    """What only happens to be installed, for another package's sake, is not there tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {_distribution(text) for text in project["dependencies"]}
    extra = {
        _distribution(t) for name, texts in project["optional-dependencies"].items() if name != "dev" for t in texts
    }
    distributions = packages_distributions()
    for module in MODULES.values():
        for found in module.imports:
            if found.target in sys.stdlib_module_names or found.target.partition(".")[0] in PACKAGES:
                continue
            names = {COMES_WITH.get(found.target, found.target), *distributions.get(found.target, ())}
            declared = needed if found.eager else needed | extra
            assert {_normal(name) for name in names} & declared, f"{module.place}:{found.line} {found.target}"


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_torch_free_room_loads_no_torch(room: str) -> None:
    """Nor through anything it imports: what counts is what a process holds."""
    names = sorted(name for name in MODULES if room_of(name) == room)
    assert len(names) > 1 or room == "estimate"
    loaded = _loaded_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert f"engine.{room}" in loaded
    assert not loaded & {"torch", "safetensors", "transformers", "typer", "textual", "rich", "minimind_tui"}
    if room in WITHOUT_NUMPY:
        assert "numpy" not in loaded


def test_the_face_loads_neither_torch_nor_textual() -> None:
    names = sorted(name for name in MODULES if within(name, ("minimind_tui.cli", "minimind_tui.core")))
    loaded = _loaded_after(f"import minimind_tui, importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert {"minimind_tui.cli.commands.run", "minimind_tui.core.keys"} <= loaded
    assert not loaded & {"torch", "textual", "transformers"}


def test_the_application_loads_no_torch() -> None:
    """With every screen it has."""
    names = sorted(name for name in MODULES if within(name, ("minimind_tui.app",)))
    loaded = _loaded_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert "textual" in loaded and "minimind_tui.app.screens.home" in loaded
    assert not loaded & {"torch", "safetensors", "transformers", "typer"}


def test_commands_that_only_look_load_neither_torch_nor_textual() -> None:
    loaded = _loaded_after(
        "import contextlib, io, tempfile, os\n"
        "from minimind_tui.cli import main\n"
        "os.chdir(tempfile.mkdtemp())\n"
        "for words in ['--help'], ['run', '--help'], ['resume', '--help'], ['--version'], ['presets'],"
        " ['presets', 'show', 'mini'], ['runs']:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "        assert main(words) == 0, words\n"
        "    assert out.getvalue().strip(), words\n"
    )
    assert "typer" in loaded
    assert not loaded & {"torch", "textual", "transformers", "numpy"}


def test_importing_the_face_costs_nothing() -> None:
    loaded = _loaded_after("import minimind_tui")
    assert not {name for name in loaded if name.startswith("engine")}
    assert not loaded & {"torch", "textual", "typer", "pydantic"}


def _loaded_after(code: str) -> set[str]:
    """The names in sys.modules of a fresh Python that ran `code`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MINIMIND_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        env=environment | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def _distribution(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert matched
    return _normal(matched[0])


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
