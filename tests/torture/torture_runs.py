"""The runs that are tortured: tiny networks on the shipped text, of every kind that makes a difference."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.places import builtin_dir
from engine.run.folder import RunFolder
from engine.run.launch import make_run, plan_run
from engine.settings.resolve import build_settings

COMMON: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_seq_len": 48,
    "batch_size": 2,
    "accumulation_steps": 2,
    "epochs": 4,
    "learning_rate": 1e-2,
    "dtype": "fp32",
    "device": "cpu",
    "compile": "off",
    "num_threads": 1,
    "num_workers": 1,
    "validation_tokens": 300,
    "sample_prompts": ["Question:"],
    "sample_tokens": 6,
    "keep_checkpoints": 2,
}
EXPERTS: dict[str, Any] = {"use_moe": True, "num_experts": 3, "num_experts_per_tok": 2, "num_hidden_layers": 2}
KINDS: dict[str, dict[str, Any]] = {
    "dense-adamw": {"optimizer": "adamw"},
    "dense-muon": {"optimizer": "muon"},
    "moe-adamw": {"optimizer": "adamw", **EXPERTS},
    "moe-muon": {"optimizer": "muon", **EXPERTS},
}
"""Network and optimiser."""

SHORT: dict[str, Any] = {"max_steps": 6, "save_interval": 2, "eval_interval": 3, "sample_interval": 4}
"""A run of a second, in which everything happens: three saves, validations, a sample."""

LONG: dict[str, Any] = {"max_steps": 60, "save_interval": 7, "eval_interval": 12, "sample_interval": 17}
"""A run of some seconds."""

TWO = {"nproc": 2, "batch_size": 1, "accumulation_steps": 2, "rank_timeout": 60.0}


def shipped_text() -> Path:
    """The text that comes with the program."""
    return builtin_dir("datasets") / "mini_pretrain_data.jsonl"


class Bench:
    """A folder with a text (the shipped one, or its first `lines`) and runs on it.

    Every run publishes into a folder of its own beside.
    """

    def __init__(self, folder: Path, lines: int | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.text = shipped_text()
        if lines is not None:
            with self.text.open("rb") as whole:
                part = b"".join(line for line, _number in zip(whole, range(lines), strict=False))
            self.text = folder / "text.jsonl"
            self.text.write_bytes(part)

    def make(self, kind: str, **more: Any) -> RunFolder:
        """A new run of one of KINDS."""
        runs = self.folder / "runs"
        given = {**COMMON, **KINDS[kind], "data_path": str(self.text), **more}
        number = len(list(self.folder.glob("out-*")))
        given["save_dir"] = str(self.folder / f"out-{number}")
        return make_run(plan_run(build_settings(given), name=kind, runs_dir=runs), runs)

    def remove(self, run: RunFolder) -> None:
        """Forget a run and what it published."""
        save_dir = run.read_manifest().save_dir
        with contextlib.suppress(OSError):
            shutil.rmtree(run.path)
        if save_dir is not None:
            for path in Path(save_dir).iterdir():
                path.unlink()


@contextlib.contextmanager
def speed_known() -> Iterator[None]:
    """Hundreds of trainers are built in forks of one process: none of them measures the cpu's speed."""
    from engine.train import computing

    real = computing.measure_matmul
    computing.measure_matmul = lambda *_args, **_more: 1e10
    try:
        yield
    finally:
        computing.measure_matmul = real
