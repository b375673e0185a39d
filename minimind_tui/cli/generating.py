"""The torch process that writes text: which weights it gets, and its text as it comes."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.places import runs_dir
from engine.run.checkpoints import CheckpointInfo, best, scan, verify
from engine.run.find import find_run
from engine.run.folder import RunFolder
from engine.run.requested import WEIGHT_SUFFIXES, run_weights
from engine.settings.material import find_tokenizer
from minimind_tui.safe_text import printable

WORKER = "engine.worker.generate"
CHECKPOINT_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Source:
    """Weights and the tokenizer they were trained with."""

    weights: Path
    tokenizer: Path


def find_source(text: str, checkpoint: str | None, tokenizer: str | None) -> Source:
    """What to generate with: a file of weights, or a run's.

    `checkpoint` is None (its newest published weights), `best`, `last` or a step; `tokenizer` overrides the run's own.
    Raises UserError.
    """
    path = Path(text).expanduser()
    if path.suffix in WEIGHT_SUFFIXES:
        if not path.is_file():
            raise UserError(_("There is no file {path}.").format(path=text))
        if checkpoint is not None:
            raise UserError(_("--checkpoint chooses among a run's; {path} is one file.").format(path=text))
        return Source(path.resolve(), find_tokenizer(tokenizer or "auto"))
    folder = find_run(runs_dir(), text)
    weights = run_weights(folder).path if checkpoint is None else checkpoint_weights(folder, checkpoint)
    return Source(weights, find_tokenizer(tokenizer or _own_tokenizer(folder)))


def checkpoint_weights(folder: RunFolder, wanted: str) -> Path:
    """The weights of the checkpoint that `wanted` means: `best`, `last` or a step. Raises UserError."""
    infos = [info for info in scan(folder) if info.record is not None]
    if not infos:
        raise UserError(_("Run {run} has no checkpoint yet.").format(run=folder.id))
    if wanted == "last":
        chosen: CheckpointInfo | None = infos[0]
    elif wanted == "best":
        chosen = best(infos)
    else:
        chosen = next((info for info in infos if str(info.step) == wanted.lstrip("0")), None)
    if chosen is None:
        raise UserError(
            _(
                "Run {run} has no checkpoint {wanted}. There are: {steps}; also last, and best once it was validated."
            ).format(run=folder.id, wanted=wanted, steps=", ".join(str(info.step) for info in infos))
        )
    problem = verify(chosen)
    if problem:
        raise UserError(_("The checkpoint {path} cannot be used: {problem}.").format(path=chosen.path, problem=problem))
    return chosen.path / CHECKPOINT_WEIGHTS


def write_continuation(request: dict[str, Any], *, json_lines: bool) -> None:
    """Start the process, give it `request`, and write what it writes as it comes.

    The prompt, then its continuation; on a terminal, what it took goes to stderr. With `json_lines` its own lines are
    passed on. Raises UserError with the process's own words when it refuses, RuntimeError when it dies without any.
    """
    waiting = sys.stderr.isatty() and not json_lines
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            if waiting:
                sys.stderr.write(_("Loading the model ...") + "\r")
                sys.stderr.flush()
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.close()
            ended = _pass_on(process.stdout, request["prompt"], json_lines=json_lines, waiting=waiting)
            code = process.wait()
        finally:
            process.kill()  # Ctrl-C, or a reader that went away: nothing is worth finishing
            process.wait()
        if not ended:
            errors.seek(0)
            last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise RuntimeError(
                _("The generating process ended with code {code}: {last}").format(code=code, last="".join(last))
            )


def _pass_on(lines: Any, prompt: str, *, json_lines: bool, waiting: bool) -> bool:
    """Write the pieces of text; True when the process said that it was done. Raises UserError for an error it names."""
    begun = False
    for line in lines:
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            continue  # what some library prints is not for the reader
        if "error" in message:
            if waiting and not begun:
                sys.stderr.write("\033[2K")
            raise UserError(str(message["error"]))
        if json_lines:
            sys.stdout.write(line)
            sys.stdout.flush()
        elif not begun:
            if waiting:
                sys.stderr.write("\033[2K")
                sys.stderr.flush()
            sys.stdout.write(printable(prompt))
            begun = True
        if not json_lines and "text" in message:
            sys.stdout.write(printable(str(message["text"])))
            sys.stdout.flush()
        if message.get("done"):
            if not json_lines:
                sys.stdout.write("\n")
                sys.stdout.flush()
            if waiting:
                sys.stderr.write(
                    _("({tokens} tokens, {speed} tokens/s)").format(
                        tokens=message.get("tokens"), speed=f"{message.get('tokens_per_s') or 0:.0f}"
                    )
                    + "\n"
                )
            return True
    return False


def _own_tokenizer(folder: RunFolder) -> str:
    """The tokenizer a run was made with, as its manifest says."""
    return folder.read_manifest().tokenizer_path or "auto"
