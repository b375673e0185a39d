"""A workspace of its own for each test of the application: runs, cache and preferences in a folder, English words."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from engine.estimate.device_probe import DeviceFacts
from engine.language import current_language, set_language


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder the application works in. The probe of the device is answered by nobody: no test waits for torch."""
    spoken = current_language()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIMIND_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MINIMIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINIMIND_CONFIG", str(tmp_path / "config"))
    for name in ("MINIMIND_LANG", "NO_COLOR", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.setenv(name, "en")  # what the application sets itself is taken back as well
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    set_language("en")
    yield tmp_path
    set_language(spoken)


@pytest.fixture(autouse=True, scope="session")
def styles_parsed_once() -> Iterator[None]:
    """A thousand applications are made here, all of the same styles: each text is parsed once for each theme."""
    parse, known = Stylesheet._parse_rules, {}  # type: ignore[var-annotated]

    @functools.wraps(parse)
    def parse_or_know(sheet: Stylesheet, *arguments: object, **named: object) -> list[RuleSet]:
        key = (arguments, frozenset(named.items()), frozenset(sheet._variables.items()))
        if key not in known:
            known[key] = parse(sheet, *arguments, **named)  # type: ignore[arg-type]
        return known[key]  # type: ignore[no-any-return]

    Stylesheet._parse_rules = parse_or_know  # type: ignore[method-assign, assignment]
    yield
    Stylesheet._parse_rules = parse  # type: ignore[method-assign]


@pytest.fixture
def known_facts() -> DeviceFacts:
    """A machine that is the same for every test: two cores, eight gigabytes, no accelerator."""
    return DeviceFacts(
        torch_version="2.13.0",
        accelerator_build=None,
        driver=None,
        host="testhost",
        device="cpu",
        name="Test CPU",
        memory=8_000_000_000,
        dtypes=["fp32"],
        dtype="fp32",
        dtype_why="It computes fp32 fastest.",
        notes=[],
        gpus=[],
        cpu_name="Test CPU",
        cpu_features=["avx2"],
        cores=2,
        machine_memory=8_000_000_000,
        threads=2,
        threads_why="One a core.",
        matmul_flops={"fp32": 1e11},
    )


@pytest.fixture(autouse=True)
def known_device(known_facts: DeviceFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe is answered at once, with the known machine."""
    monkeypatch.setattr("minimind_tui.app.application.probe_device", lambda _cache: known_facts)
