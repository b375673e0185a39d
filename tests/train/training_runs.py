"""Small real runs, trained in this process: what the tests of the loop stand on."""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.convert.reading import read_weights
from engine.run.attempts import begin_attempt
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import read_lines
from engine.run.launch import make_run, plan_run
from engine.run.schema import Reason, State
from engine.run.worker_link import WorkerLink
from engine.settings.resolve import build_settings
from engine.train.build import build_trainer
from engine.train.loop import Trainer
from engine.train.requests import RequestDesk, Stop

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_seq_len": 32,
    "batch_size": 2,
    "accumulation_steps": 3,
    "epochs": 2,
    "learning_rate": 1e-2,
    "num_threads": 1,
    "num_workers": 1,
    "save_interval": 4,
    "eval_interval": 5,
    "sample_interval": 0,
    "sample_prompts": [],
}


def write_texts(path: Path, count: int = 150, seed: int = 0) -> Path:
    """A JSONL file of short, distinct, learnable texts."""
    rng = random.Random(seed)
    names, verbs, things = ("Ann", "Bo", "Cy", "Di"), ("sees", "has", "likes"), ("cats", "tea", "fog", "sun", "ice")
    with path.open("w") as file:
        for number in range(count):
            sentence = " ".join(
                f"{rng.choice(names)} {rng.choice(verbs)} {rng.choice(things)}." for _ in range(rng.randint(1, 4))
            )
            file.write(json.dumps({"text": f"{number}: {sentence}"}) + "\n")
    return path


def write_tokenizer(path: Path, texts: Path, size: int = 300) -> Path:
    """A small byte-level BPE tokenizer with MiniMind's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([json.loads(line)["text"] for line in texts.open()], trainer)
    tokenizer.save(str(path))
    return path


class Workshop:
    """A folder with texts, a tokenizer and runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts = write_texts(folder / "texts.jsonl")
        self.tokenizer = write_tokenizer(folder / "tokenizer.json", self.texts)

    def make(self, **values: object) -> RunFolder:
        """A new run with TINY's settings, changed by `values`."""
        given = {"data_path": str(self.texts), "tokenizer": str(self.tokenizer), **TINY, **values}
        return make_run(
            plan_run(build_settings(given), name="tiny", runs_dir=self.folder / "runs"), self.folder / "runs"
        )

    def trainer(self, run: RunFolder) -> Trainer:
        """Open the next attempt of a run, and build its trainer, as the supervisor and the worker do."""
        record = begin_attempt(run, 1 + len(run.read_manifest().attempts), 0, lambda done, total: None)
        link = WorkerLink(run, record.attempt, signals=False)
        return build_trainer(link, RequestDesk(link))

    def train(self, run: RunFolder, stop_at: tuple[int, int] | None = None, pause: bool = False) -> Trainer:
        """One attempt, to its end or until update `step` is made and micro-batch `micro` of the next begins."""
        trainer = self.trainer(run)
        if stop_at is not None:
            poll, (step, micro) = trainer.desk.poll, stop_at

            def poll_and_stop() -> Stop | None:
                reached = trainer.state.step > step or (
                    trainer.state.step == step and (trainer.link.status.micro_batch or 0) >= micro
                )
                if reached:
                    kind = State.PAUSED if pause else State.STOPPED
                    trainer.desk.stop = Stop(kind, Reason.REQUEST, "asked")
                return poll()

            trainer.desk.poll = poll_and_stop  # type: ignore[method-assign]
        with trainer.stream:
            stop = trainer.run()
        trainer.link.finish(stop.state, stop.reason, stop.message)
        return trainer


def final_weights(run: RunFolder) -> dict[str, torch.Tensor]:
    """The weights of the newest checkpoint, fp32."""
    newest = max(path for path in run.checkpoints.iterdir() if path.name.startswith("step-"))
    return read_weights(newest / "model.safetensors").tensors


def logged(run: RunFolder, kind: str = "train") -> list[tuple[int, object]]:
    """(step, loss) of every line of one kind, once rewound."""
    history = MetricsHistory()
    history.feed(read_lines(run.metrics))
    series = history.train if kind == "train" else history.validation
    return list(zip(series.steps, series.column("loss"), strict=True))
