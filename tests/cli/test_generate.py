"""`minimind generate`: the right weights and tokenizer, the text as it comes, mistakes in words."""

import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pexpect
import pytest
from cli_helpers import Minimind, command
from run_folders import write_run

from minimind_tui import generating

WITH_FAKE = """
import sys
from minimind_tui import generating
from minimind_tui.cli import main
generating.WORKER = "fake_generate"
sys.exit(main())
"""


@pytest.fixture
def weights(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generating, "WORKER", "fake_generate")
    path = workspace / "some.pth"
    path.write_bytes(b"")
    return path


def request_in(out: str) -> dict[str, object]:
    return json.loads(out[out.index("{") : out.rindex("}") + 1])


def test_the_prompt_and_what_follows_without_escapes(minimind: Minimind, weights: Path) -> None:
    called = minimind("generate", "some.pth", "--prompt", "It was\x1b[2J")
    assert called.code == 0
    assert called.out.startswith("It was[2J once [31mupon 从前\n")
    assert "\x1b" not in called.out
    request = request_in(called.out)
    assert request["weights"] == str(weights)
    assert Path(str(request["tokenizer"])).name == "tokenizer.json"
    assert request["prompt"] == "It was\x1b[2J"


def test_every_option_reaches_the_process(minimind: Minimind, weights: Path) -> None:
    called = minimind(
        "generate", "some.pth", "--prompt", "x", "--max-tokens", "9", "--temperature", "0.5", "--top_k", "3",
        "--top-p", "0.7", "--seed", "11", "--device", "cpu", "--no-cache",
        "--num-attention-heads", "4",
    )  # fmt: skip
    expected = {
        "max_tokens": 9, "temperature": 0.5, "top_k": 3, "top_p": 0.7, "seed": 11, "device": "cpu", "use_cache": False,
        "num_attention_heads": 4, "surrounded": True, "language": "en",
    }  # fmt: skip
    assert request_in(called.out).items() >= expected.items()


def test_without_a_seed_each_call_draws_another(minimind: Minimind, weights: Path) -> None:
    seeds = {request_in(minimind("generate", "some.pth", "--prompt", "x").out)["seed"] for _n in range(3)}
    assert len(seeds) == 3


def test_a_prompt_from_a_pipe(minimind: Minimind, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert request_in(minimind("generate", "some.pth").out)["prompt"] == "from a pipe"


def test_json_passes_the_answers_on(minimind: Minimind, weights: Path) -> None:
    called = minimind("generate", "some.pth", "--prompt", "x", "--json")
    records = [json.loads(line) for line in called.out.splitlines()]
    assert records[0] == {"text": " once"} and records[-1]["done"] is True


@pytest.mark.parametrize(
    ("prompt", "code", "words"),
    [("refuse", 2, "the tokenizer is another one"), ("die", 1, "ended with code 9: no such device")],
)
def test_a_process_that_fails_is_reported_in_words(
    prompt: str, code: int, words: str, minimind: Minimind, weights: Path
) -> None:
    called = minimind("generate", "some.pth", "--prompt", prompt)
    assert called.code == code
    assert words in called.err and "Traceback (most" not in called.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lost.pth",), "no file lost.pth"),
        (("some.pth", "--checkpoint", "best"), "is one file"),
        (("some.pth", "--top_p", "0"), "--top_p 0.0"),
        (("some.pth", "--tokenizer", "lost.json"), "No tokenizer at lost.json"),
        ((), "There are no runs"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: str, minimind: Minimind, weights: Path) -> None:
    called = minimind("generate", *arguments, "--prompt", "x")
    assert called.code == 2
    assert words in called.err


def test_a_runs_weights_checkpoints_and_tokenizer(minimind: Minimind, weights: Path) -> None:
    (Path("tokenizer.json")).write_text("{}")
    run = write_run(Path.cwd(), steps=25)
    own = str(Path("tokenizer.json").resolve())
    run.change_manifest(lambda manifest: setattr(manifest, "tokenizer_path", own))

    def asked(*more: str) -> dict[str, object]:
        return request_in(minimind("generate", "last", "--prompt", "x", *more).out)

    newest = asked()
    assert newest["weights"] == str(run.weights / "pretrain_160.safetensors")
    assert newest["tokenizer"] == own
    for wanted, step in (("last", 25), ("best", 10), ("20", 20)):
        assert asked("--checkpoint", wanted)["weights"] == str(run.checkpoints / f"step-{step:08d}/model.safetensors")
    called = minimind("generate", "--prompt", "x", "--checkpoint", "11")
    assert called.code == 2 and "25, 20, 10" in called.err
    (run.checkpoints / "step-00000025/model.safetensors").write_bytes(b"weights of step 26")
    called = minimind("generate", "--prompt", "x", "--checkpoint", "last")
    assert called.code == 2 and "hash differs" in called.err  # trap 51


def test_ctrl_c_ends_the_process_too(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = pexpect.spawn(
        command()[0],
        ["-c", WITH_FAKE, "generate", "some.pth", "--prompt", "wait"],
        env=os.environ,
        encoding="utf-8",
        timeout=20,
    )
    child.expect("and wait")
    [worker] = subprocess.run(
        ["pgrep", "-P", str(child.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker), signal.SIG_DFL)


def test_prompts_typed_one_after_the_other(weights: Path) -> None:
    child = pexpect.spawn(
        command()[0], ["-c", WITH_FAKE, "generate", "some.pth"], env=os.environ, encoding="utf-8", timeout=20
    )
    for prompt in ("first", "second"):
        child.expect("> ")
        child.sendline(prompt)
        child.expect(f'"prompt": "{prompt}"')
    child.expect("> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
