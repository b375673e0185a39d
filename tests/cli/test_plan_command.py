"""`minimind estimate` for machines and text that are not here: the plan, its assumptions, one message for nonsense."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Minimind
from test_estimate_command import FACTS

from engine.run.start import module_environment

PLAN = ["estimate", "--preset", "full", "--device", "h100", "--nproc", "8", "--data", "100GB", "--epochs", "1"]


@pytest.fixture(autouse=True)
def no_torch(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    """The probe's answer is known."""
    monkeypatch.setattr("engine.estimate.device_probe.probe_device", lambda _cache: FACTS)


def columns(output: str, name: str) -> list[str]:
    """Figure and assumption of a line."""
    (line,) = (line for line in output.splitlines() if line.startswith(name + "  "))
    return [part.strip() for part in line.removeprefix(name).split("  ") if part.strip()]


def test_a_plan_tells_each_figure_with_its_assumption(minimind: Minimind) -> None:
    done = minimind(*PLAN)
    assert done.code == 0 and done.err == ""
    assert done.out.startswith("8 x H100 80GB HBM3, hosts: 1, bf16, 100 GB of text\n")
    assert columns(done.out, "parameters")[0] == "25.8M"
    assert columns(done.out, "rows an update")[0] == "2,048"
    figure, assumption = columns(done.out, "all-reduce")
    assert figure == "714 us" and "NVLink 4, 450 GB/s" in assumption and "data sheet" in assumption
    assert columns(done.out, "gradients")[0] == "103 MB" and columns(done.out, "a checkpoint")[0] == "310 MB"
    assert " to " in columns(done.out, "an epoch")[0]
    assert "benchmarks/token_cache.py" in columns(done.out, "tokenising")[1]
    assert all(len(columns(done.out, name)) == 2 for name in ("tokens an epoch", "starting", "a save", "token cache"))
    assert "First bottleneck: tokenising." in done.out and "Time from the command to the end: " in done.out
    assert not Path("runs").exists()


def test_the_plan_as_json_agrees(minimind: Minimind) -> None:
    done = minimind(*PLAN, "--json", "--price", "2")
    told = json.loads(done.out)
    assert (told["device"], told["nproc"], told["hosts"], told["link"]) == ("h100", 8, 1, "nvlink4")
    figures = told["figures"]
    assert figures["gradients"]["low"] == 4 * 25_829_888 and figures["sent"]["low"] == 7 * 25_829_888
    assert all(figure["assumption"] and figure["low"] <= figure["high"] for figure in figures.values())
    assert sum(told["shares"].values()) == pytest.approx(1) and told["bottleneck"] == "tokenising"
    hours = [figures["epoch"][end] / 3600 for end in ("low", "high")]
    assert told["cost"] == pytest.approx([8 * 2 * each for each in hours]) and told["currency"] == "$"
    dearer = json.loads(minimind(*PLAN, "--json", "--link", "25gbe").out)
    assert dearer["figures"]["reduce"]["low"] > 50 * figures["reduce"]["low"]


def test_the_kind_of_text_decides_the_tokens(minimind: Minimind) -> None:
    def tokens(kind: str) -> float:
        told = json.loads(minimind(*PLAN, "--json", "--text", kind).out)["figures"]["tokens"]
        return float(told["low"] * told["high"]) ** 0.5

    assert tokens("en") > tokens("zh")


def test_the_file_that_is_there_is_measured(minimind: Minimind) -> None:
    arguments = ["--preset", "mini", "--data_path", "texts.jsonl", "--device", "rtx3090", "--json"]
    told = json.loads(minimind("estimate", *arguments).out)
    assert told["figures"]["text"]["low"] == Path("texts.jsonl").stat().st_size
    assert "sample of the file" in told["figures"]["tokens"]["assumption"]
    assert 40 * 5 < told["figures"]["tokens"]["low"] == told["figures"]["tokens"]["high"] < 40 * 40


def test_a_plan_for_this_machine_s_cpu(minimind: Minimind) -> None:
    for device in (["--device", "cpu"], []):
        told = json.loads(
            minimind("estimate", "--preset", "mini", *device, "--data", "1GB", "--nproc", "2", "--json").out
        )
        assert told["device"] == "cpu" and told["dtype"] == "fp32" and told["link"] == "loopback"
        assert "0.1 TFLOP/s" in told["figures"]["products"]["assumption"]  # the probe's
        assert any("share its cores" in note for note in told["notes"])


def test_a_device_of_this_machine_alone_is_the_usual_preview(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", "--data_path", "texts.jsonl", "--device", "cpu")
    assert done.code == 0 and "Ready." in done.out and "Test CPU (cpu), fp32" in done.out
    absent = minimind("estimate", "--preset", "mini", "--data_path", "texts.jsonl", "--device", "cuda:1")
    assert absent.code == 2 and "cuda:1 is not there" in absent.out


def test_what_does_not_fit_ends_with_2(minimind: Minimind) -> None:
    done = minimind(*PLAN, "--batch_size", "8192")
    assert done.code == 2 and "Not ready:" in done.out and "would fit" in done.out
    assert "First bottleneck: the device's memory." in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "rtx3091"], "Did you mean rtx3090?"),
        (["--device", "h100", "--nproc", "0"], "--nproc 0"),
        (["--device", "h100", "--nproc", "-3"], "--nproc -3"),
        (["--device", "h100", "--nproc", "many"], "--nproc many"),
        (["--nproc", "5000", "--data", "1GB"], "--nproc 5000"),
        (["--device", "h100", "--data", "big"], "big is no amount of text"),
        (["--device", "h100", "--data", "-1GB"], "-1GB is no amount of text"),
        (["--device", "h100", "--data", "0"], "0 is no amount of text"),
        (["--device", "h100", "--data", "1GB", "--link", "10gbe"], "Did you mean 100gbe?"),
        (["--device", "h100", "--data", "1GB", "--text", "fr"], "No kind of text is called fr."),
        (["--device", "h100", "--data", "1GB", "--calibrate"], "--calibrate is for a run on this machine"),
        (["--device", "h100", "--data", "1GB", "--budget", "2h"], "--budget is for a run on this machine"),
        (["--device", "h100", "--data", "1GB", "--price", "cheap"], "cheap is no price"),
        (["--device", "h100", "--data", "1GB", "--hidden_size", "50"], "hidden_size is 50"),
        (["--device", "h100", "--data", "1GB", "--batch_size", "none"], "--batch_size"),
        (["--device", "h100", "--data_path", "absent.jsonl"], "--data 10GB"),
        (["--device", "h100", "--dta", "1GB"], "Did you mean --data?"),
    ],
)
def test_nonsense_is_one_message_and_2(minimind: Minimind, arguments: list[str], said: str) -> None:
    done = minimind("estimate", *arguments)
    assert done.code == 2 and done.out == ""
    assert said in done.err and len(done.err.splitlines()) == 1


def test_the_help_names_the_devices_and_lists_each_option_once(minimind: Minimind) -> None:
    helped = minimind("estimate", "--help").out
    assert "rtx3090" in helped and helped.count("--device ") == 1 and "--nproc" in helped


def test_a_plan_loads_no_torch(workspace: Path) -> None:
    code = (
        "import sys\nfrom minimind_tui.cli import main\ncode = main(sys.argv[1:])\n"
        "assert not {'torch', 'textual'} & set(sys.modules)\nsys.exit(code)\n"
    )
    command = [sys.executable, "-c", code, *PLAN]
    done = subprocess.run(command, env=module_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
