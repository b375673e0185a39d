"""The wheel carries the built-in material, and a preset runs from it where no checkout is."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {"engine", "minimind_tui"}
SHIPPED_DATA = {"mini_pretrain_data.jsonl", "tokenizer.json", "README.md"}

# What a checkout in use holds beside the project: none of it may be published.
LITTER = (
    "engine/__pycache__/errors.cpython-311.pyc",
    "engine/settings/.mypy_cache/cache.json",
    "presets/.ruff_cache/x",
    "presets/__pycache__/x.pyc",
    "datasets/mini_corpus/__pycache__/fact.cpython-311.pyc",
    "datasets/pretrain_data.jsonl",
    "datasets/notes.txt",
    "runs/20261124-031500-mini/status.json",
    "out/pretrain_512.pth",
    "minimind_tui/pretrain_512.safetensors",
)

TINY = {
    "max_steps": 2,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_seq_len": 64,
    "batch_size": 2,
    "validation_tokens": 256,
    "sample_tokens": 2,
    "num_threads": 1,
    "compile": 0,
}


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a `wheel` or an `sdist` without build isolation: hatchling is one of the tests' dependencies."""
    before = _files(source)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)], cwd=source, check=True)
    assert _files(source) == before, "the build left files in the checkout"
    (built,) = target.iterdir()
    return built


@dataclass(frozen=True)
class Installed:
    """The project installed into a folder of its own, away from its checkout."""

    folder: Path
    elsewhere: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command with the installed packages, in an empty folder; its output is in the error if it fails."""
        left = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
        environment = {k: v for k, v in os.environ.items() if k not in left and not k.startswith("MINIMIND_")}
        environment |= {
            "PYTHONPATH": str(self.folder),
            "MINIMIND_RUNS": str(self.elsewhere / "runs"),
            "MINIMIND_CACHE": str(self.elsewhere / "cache"),
            "MINIMIND_LANG": "en",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            command, cwd=self.elsewhere, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def python(self, code: str) -> list[str]:
        """Run Python code; returns the lines it printed."""
        return self.run(sys.executable, "-P", "-c", code).stdout.splitlines()


@pytest.fixture(scope="module")
def littered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with litter in it."""
    source = tmp_path_factory.mktemp("source") / "checkout"
    shutil.copytree(ROOT, source, ignore=_not_of_the_project)
    for name in LITTER:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter")
    return source


@pytest.fixture(scope="module")
def wheel(littered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the littered checkout."""
    return build("wheel", littered, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed without its dependencies (the tests' own environment has them)."""
    folder = tmp_path_factory.mktemp("installed")
    arguments = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *arguments, "--target", str(folder), str(wheel)], check=True
    )
    return Installed(folder, tmp_path_factory.mktemp("elsewhere"))


def test_it_holds_two_packages_and_the_material_and_nothing_else(wheel: Path) -> None:
    files = set(zipfile.ZipFile(wheel).namelist())
    (metadata,) = {name.split("/")[0] for name in files if name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/")[0] for name in files} == TOP_LEVEL | {metadata}

    sources = {str(path.relative_to(ROOT)) for package in TOP_LEVEL for path in (ROOT / package).rglob("*.py")}
    sources |= {str(path.relative_to(ROOT)) for path in (ROOT / "minimind_tui").rglob("*.tcss")}
    catalogues = {str(path.relative_to(ROOT)) for path in (ROOT / "engine" / "locale").rglob("*.?o")}
    presets = {f"engine/builtin/presets/{path.name}" for path in (ROOT / "presets").glob("*.toml")}
    data = {f"engine/builtin/datasets/{name}" for name in SHIPPED_DATA}
    typed = {f"{package}/py.typed" for package in TOP_LEVEL}
    assert len(presets) >= 4
    assert {name for name in files if not name.startswith(metadata)} == sources | catalogues | presets | data | typed


def test_the_material_is_the_checkout_s(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for kind, names in (("datasets", SHIPPED_DATA), ("presets", {"mini.toml", "full.toml"})):
            for name in names:
                assert archive.read(f"engine/builtin/{kind}/{name}") == (ROOT / kind / name).read_bytes()


def test_the_source_archive_builds_the_same_wheel(wheel: Path, littered: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(build("sdist", littered, tmp_path / "sdist"), tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    not_ignored = "datasets/notes.txt"  # by git: it may be a file that somebody is about to add
    assert [name for name in LITTER if (source / name).exists()] == [not_ignored]
    for name in ("tests/project/test_wheel.py", "datasets/make_mini.py", "CHANGELOG.md", "LICENSE", "runs/README.md"):
        assert (source / name).is_file()
    rebuilt = build("wheel", source, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(rebuilt) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())


def test_an_editable_install_adds_no_files_to_site_packages(tmp_path: Path) -> None:
    # a stray `engine` folder there would be found before the checkout
    subprocess.run(
        [sys.executable, "-c", "import sys; from hatchling.build import build_editable as b; b(sys.argv[1])", tmp_path],
        cwd=ROOT,
        check=True,
    )
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        (link,) = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert Path(archive.read(link).decode().strip()) == ROOT


def test_installed_material_is_found_away_from_the_checkout(installed: Installed) -> None:
    package, presets, data, tokenizer, *listed = installed.python(
        "import engine, minimind_tui\n"
        "from engine.places import builtin_dir\n"
        "from engine.settings.material import find_data, find_tokenizer\n"
        "from engine.settings.presets import load_preset, preset_paths\n"
        "print(engine.__file__)\n"
        "print(builtin_dir('presets'))\n"
        "print(find_data(load_preset('mini').settings().data_path).path)\n"
        "print(find_tokenizer('auto'))\n"
        "for name in preset_paths():\n"
        "    load_preset(name).settings()\n"
        "    print(name)\n"
    )
    folder = installed.folder.resolve()
    assert Path(package) == folder / "engine" / "__init__.py"
    assert Path(presets) == folder / "engine" / "builtin" / "presets"
    assert Path(data) == folder / "engine" / "builtin" / "datasets" / "mini_pretrain_data.jsonl"
    assert Path(tokenizer) == folder / "engine" / "builtin" / "datasets" / "tokenizer.json"
    assert set(listed) == {path.stem for path in (ROOT / "presets").glob("*.toml")}


def test_a_preset_runs_from_the_installed_wheel(installed: Installed) -> None:
    flags = [text for name, value in TINY.items() for text in (f"--{name}", str(value))]
    installed.run(installed.folder / "bin" / "minimind", "run", "--preset", "mini", *flags)

    (run,) = [path for path in (installed.elsewhere / "runs").iterdir() if path.is_dir()]
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["step"]) == ("finished", 2), status
    manifest = json.loads((run / "manifest.json").read_text())
    material = installed.folder.resolve() / "engine" / "builtin" / "datasets"
    assert Path(manifest["data_path"]) == material / "mini_pretrain_data.jsonl"
    assert Path(manifest["tokenizer_path"]) == material / "tokenizer.json"
    assert (run / "weights" / "pretrain_32.pth").stat().st_size > 0
    # the worker is a process of its own, and the only one that imports the loop: it, too, ran the installed code
    assert list((installed.folder / "engine" / "train" / "__pycache__").glob("loop.*.pyc"))


def _not_of_the_project(folder: str, names: list[str]) -> set[str]:
    """What a copy of the checkout leaves behind: history, environments, caches, and what people trained there."""
    left = {name for name in names if name in (".git", ".venv", "venv", "out") or name.endswith(("_cache", "__"))}
    if Path(folder) == ROOT / "runs":
        left |= set(names) - {"README.md"}
    if Path(folder) == ROOT / "datasets":
        left |= {name for name in names if name.endswith(".jsonl")} - SHIPPED_DATA
    return left


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
