"""The tables of docs/SCALING.md are what the estimator says now, and what its words say of them is true."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from source_tree import ROOT

from engine.estimate.device_pace import LOGIT_BYTES, PUBLISHED_POSITIONS_PER_S, utilisation
from engine.estimate.machines import MACHINES
from engine.estimate.size import flops_per_token

SCRIPT = ROOT / "docs" / "make_scaling.py"
PAGE = ROOT / "docs" / "SCALING.md"


@pytest.fixture(scope="module")
def make_scaling() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_scaling", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_scaling"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(make_scaling: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == make_scaling.render(page), "docs/SCALING.md is stale: run python docs/make_scaling.py"


def test_a_changed_figure_is_noticed(make_scaling: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert make_scaling.render(page.replace("103 MB", "104 MB")) == page
    with pytest.raises(ValueError, match="0 places"):
        make_scaling.render(page.replace("<!-- end links -->", ""))


def test_it_has_a_plan_for_each_number_of_gpus_and_amount_of_text(make_scaling: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for preset, device in make_scaling.PLANS:
        table = page.partition(f"<!-- begin {preset}-{device} -->")[2].partition("<!-- end")[0]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()]
        assert [row[0] for row in rows[2:]] == ["1", "2", "4", "8", "16", "32", "64"]
        assert rows[0][-4:] == ["1GB", "10GB", "100GB", "1TB"]
        assert all(" to " in cell and "%" in cell for row in rows[2:] for cell in row[-4:])


def test_the_error_that_the_words_state(make_scaling: ModuleType) -> None:
    """ "9 % too long", and 24 % for one MFU of the first training: against MiniMind's published hours."""
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    machine, predicted, fitted = MACHINES["rtx3090"], make_scaling.PREDICTED, make_scaling.FITTED
    off = predicted.hours_of(machine) / predicted.hours - 1
    mfu = utilisation(machine, fitted.shape, "bf16", PUBLISHED_POSITIONS_PER_S, fitted.width)
    alone = predicted.hours_at(machine, mfu) / predicted.hours - 1
    assert f"which was not fitted, is {off:.0%} too long".replace("%", " %") in page
    assert f"alone would be {alone:.0%} too long".replace("%", " %") in page
    assert f"with 50 or 90 % instead, and the bytes fitted anew, it would be {_refitted(make_scaling, 0.5)} or " in page
    assert f" or {_refitted(make_scaling, 0.9)} too long" in page
    assert abs(fitted.hours_of(machine) / fitted.hours - 1) < 0.02


def _refitted(make_scaling: ModuleType, efficiency: float) -> str:
    """How far off the prediction is when products reach another share of the peak and the traffic is fitted to that."""
    machine, fitted, predicted = MACHINES["rtx3090"], make_scaling.FITTED, make_scaling.PREDICTED

    def products(training: Any) -> float:
        return float(flops_per_token(training.shape, training.width) / (efficiency * machine.peak("bf16")))

    def units(training: Any) -> int:
        return int(training.shape.num_hidden_layers * training.shape.hidden_size)

    logits = LOGIT_BYTES * fitted.shape.vocab_size / machine.bandwidth
    a_unit = (1 / PUBLISHED_POSITIONS_PER_S - products(fitted) - logits) / units(fitted)
    position = products(predicted) + logits + a_unit * units(predicted)
    return f"{position * predicted.texts * predicted.width / 3600 / predicted.hours - 1:.0%}".replace("%", " %")


def test_what_was_measured_here_is_met_within_the_spread_of_a_cpu(make_scaling: ModuleType) -> None:
    for each in make_scaling.measured_here():
        assert 1 / 1.6 < each.estimated / each.measured < 1.6, each.name


def test_the_command_prints_what_the_page_has(make_scaling: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that the page begins with."""
    from minimind_tui.cli import main

    page = PAGE.read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("    minimind estimate"))
    assert main([*line.split()[1:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    plan = make_scaling.plan_for("full", "h100", 8, "100GB")
    assert told["figures"]["epoch"]["low"] == pytest.approx(plan.epoch.low)
    assert told["bottleneck"] == plan.bottleneck and told["figures"]["tokens"]["high"] == plan.text.tokens_high


def test_the_check_tells_a_stale_page(
    make_scaling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "SCALING.md"
    stale.write_text(PAGE.read_text(encoding="utf-8").replace("103 MB", "104 MB"), encoding="utf-8")
    monkeypatch.setattr(make_scaling, "PAGE", stale)
    assert make_scaling.main(["--check"]) == 1
    assert make_scaling.main([]) == 0 and make_scaling.main(["--check"]) == 0
    assert stale.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
