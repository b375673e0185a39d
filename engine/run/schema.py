"""The run folder's format 1 as pydantic models. runs/README.md tells the same to users; a test compares the two.

Writers build these models, so that a wrong type never reaches a file. Readers of hot paths (metrics by the hundred
thousand) use plain dicts; readers of one record validate it. Unknown keys are kept and ignored.
"""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from engine.run.clock import now_utc_iso
from engine.run.list_fields import OfLayers, OfRanks
from engine.run.tolerant import Tolerant
from engine.run.training_text import TrainingText

FORMAT = 1
"""The run folder's format, in manifest.json and checkpoint.json."""

VERSION = 1
"""The version of a record, in its `v`."""


class State(StrEnum):
    """Where a run is. The last three are never written: a viewer infers them."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CREATED = "created"
    STALLED = "stalled"
    CRASHED = "crashed"


FINAL_STATES = frozenset({State.FINISHED, State.STOPPED, State.FAILED})
INFERRED_STATES = frozenset({State.CREATED, State.STALLED, State.CRASHED})
ENDED_STATES = FINAL_STATES | {State.CRASHED}


class Phase(StrEnum):
    """What a process of the run is busy with."""

    VERIFYING = "verifying"
    LOADING = "loading"
    TOKENISING = "tokenising"
    COMPILING = "compiling"
    TRAINING = "training"
    VALIDATING = "validating"
    SAMPLING = "sampling"
    SAVING = "saving"
    WAITING = "waiting"


class Record(Tolerant):
    """What every line and every status carries."""

    v: int = VERSION
    t: str = Field(default_factory=now_utc_iso)
    attempt: int = Field(ge=0)
    step: int = Field(ge=0)


class ProcessIdentity(Tolerant):
    """A process, told apart from a later one with the same pid (see engine.run.process)."""

    pid: int = Field(gt=0)
    start: float
    """Linux: seconds after boot; elsewhere POSIX seconds."""
    host: str
    boot: str = ""
    """The id of the machine's boot; empty where the system has none."""
    pid_space: int = 0
    """Linux: the pid namespace; pids of two containers do not compare."""


class Outcome(Tolerant):
    """How a worker ended, by its own account."""

    state: Literal[State.PAUSED, State.FINISHED, State.STOPPED, State.FAILED]
    reason: str
    """One word of `Reason`."""
    message: str


class Reason(StrEnum):
    """Why a run ended or paused."""

    COMPLETE = "complete"
    """All steps are made."""
    MAX_STEPS = "max_steps"
    TIME_BUDGET = "time_budget"
    DEADLINE = "deadline"
    REQUEST = "request"
    """A control request asked for it."""
    SIGNAL = "signal"
    """SIGTERM or SIGINT asked for it."""
    KILLED = "killed"
    """Stopped at once, without a save."""
    SUPERVISOR_LOST = "supervisor_lost"
    ERROR = "error"
    USER_ERROR = "user_error"
    """The user has to change something first."""
    MEMORY = "memory"
    """Memory ran out on one of several ranks; the next attempt computes fewer rows at a time."""
    DIVERGED = "diverged"
    ROLLBACK = "rollback"
    EXCLUSION = "exclusion"
    WORKER_DIED = "worker_died"
    """A signal or an exit code, without a word from the worker."""


class Lineage(Tolerant):
    """Which run this one comes from."""

    kind: Literal["fork", "weights"]
    """fork: a copy of a checkpoint, training state included; weights: the weights alone."""
    run: str | None = None
    """The parent's id, where it has one."""
    path: str | None = None
    step: int | None = None
    settings: dict[str, list[Any]] = Field(default_factory=dict)
    """Of a fork: the settings it was given, each as [before, after]."""


class AttemptRecord(Tolerant):
    """One attempt: from a worker's start to its end."""

    attempt: int = Field(ge=1)
    started: str
    ended: str | None = None
    host: str
    world_size: int = 1
    device: str | None = None
    dtype: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    from_checkpoint: str | None = None
    """Its folder's name under checkpoints/; None when it began at the beginning."""
    start_step: int = Field(0, ge=0)
    exact: bool | None = None
    """Whether it goes on bit for bit as if it had not been interrupted; None until the worker has judged."""
    why_inexact: list[str] = Field(default_factory=list)
    kept: list[str] = Field(default_factory=list)
    """The first attempt of a fork: what it took over, in words."""
    micro_batch: int | None = None
    """Rows computed at a time at last: batch_size, what was found for `auto`, or fewer since memory ran out."""
    memory_key: str | None = None
    """For which device and settings that holds."""
    end_state: str | None = None
    end_step: int | None = None
    reason: str | None = None
    exit_code: int | None = None
    """The worker's exit code; minus the signal's number when a signal ended it."""
    control_offset: int = 0
    """Size of control.jsonl when the attempt began: its requests lie behind it."""
    log_offset: int = 0
    """Size of trainer.log when the attempt began."""


class Manifest(Tolerant):
    """manifest.json: what the run ran as. The worker fills what only it can know."""

    format: int = FORMAT
    v: int = VERSION
    id: str = ""
    created: str = Field(default_factory=now_utc_iso)
    name: str = ""
    """The last part of the id."""
    preset: str | None = None
    weights_name: str | None = None
    """MiniMind's name for the weights: `pretrain_512`."""
    versions: dict[str, str] = Field(default_factory=dict)
    host: str | None = None
    device: str | None = None
    dtype: str | None = None
    parameters: int | None = None
    data_path: str | None = None
    data_fingerprint: str | None = None
    text: TrainingText | None = None
    tokenizer_path: str | None = None
    save_dir: str | None = None
    """Where the weights are published beside the run's own folder, an absolute path."""
    deadline_at: str | None = None
    """The moment the setting `deadline` meant when the run was made."""
    tokenizer_hash: str | None = None
    seed: int | None = None
    lineage: Lineage | None = None
    attempts: list[AttemptRecord] = Field(default_factory=list)


class Status(Record):
    """status.json: where the run is."""

    state: State
    phase: str | None = None
    """A word of `Phase`."""
    phase_done: float | None = None
    phase_total: float | None = None
    host: str | None = None
    supervisor: ProcessIdentity | None = None
    worker: ProcessIdentity | None = None
    world_size: int = 1
    epoch: int | None = None
    epochs: int | None = None
    total_steps: int | None = None
    micro_batch: int | None = None
    """Micro-batches of the current update done."""
    micro_batches: int | None = None
    micro_batch_rows: int | None = None
    """Rows computed at a time."""
    skipped: int | None = None
    """Updates skipped so far because they were not finite."""
    loss_scale: float | None = None
    """The factor on the loss, in fp16."""
    tokens: int | None = None
    total_tokens: int | None = None
    elapsed: float | None = None
    """Active seconds over all attempts."""
    loss: float | None = None
    best_validation: float | None = None
    best_validation_step: int | None = None
    lr: float | None = None
    lr_scale: float | None = None
    tokens_per_s: float | None = None
    eta_s: float | None = None
    """From this attempt's own steps, over all epochs, without start-up; None until there are enough of them."""
    last_checkpoint: int | None = None
    """Step of the newest checkpoint."""
    heartbeat: str = ""
    """When the writer last gave a sign of life."""
    heartbeat_clock: float | None = None
    """The same on the machine's awake clock (engine.run.clock.awake_seconds)."""
    progress_at: str = ""
    """When work last advanced."""
    progress_clock: float | None = None
    usual_interval: float | None = None
    """Seconds that usually pass between two advances."""
    next_attempt_at: str | None = None
    """After a failure: when the next attempt begins by itself."""
    outcome: Outcome | None = None
    """What the worker said when it ended."""
    reason: str | None = None
    message: str | None = None
    """In words, at the end; the last warning before it."""


class AttemptHeader(Record):
    """The line that opens an attempt in metrics.jsonl and events.jsonl; its step is the start step."""

    kind: Literal["attempt"] = "attempt"
    start_step: int = Field(ge=0)
    from_checkpoint: str | None = None


class TrainLine(Record):
    """A log interval of training in metrics.jsonl. Numbers that are not finite are written as null."""

    kind: Literal["train"] = "train"
    epoch: int
    tokens: int
    """Target tokens so far."""
    elapsed: float
    loss: float | None
    """Cross-entropy in nats a target token, over the interval and all ranks."""
    lr: float
    grad_norm: float | None = None
    tokens_per_s: float | None = None
    data_wait: float | None = None
    """Share of the interval spent waiting for data, 0 to 1."""
    memory: int | None = None
    """Peak bytes of the interval: the device's, on cpu the process's resident memory."""
    mfu: float | None = None
    skipped: int = 0
    """Updates skipped so far because they were not finite."""
    loss_scale: float | None = None
    """The factor on the loss, in fp16."""
    aux_loss: float | None = None
    """Of a mixture's routers, summed over layers, as it was added to the loss: the mean weighted by target tokens."""
    expert_load: OfLayers = None
    """Mixture of experts, a list for each layer: the experts' shares of the interval's assignments, on all ranks; their
    sum is 1."""
    rank_seconds: OfRanks = None
    """Several processes: mean seconds of an update's own work on each rank, waiting for the others excluded."""
    rank_data_wait: OfRanks = None
    """Several processes: on each rank the share of its time spent waiting for data, 0 to 1."""


class ValidationLine(Record):
    """A validation in metrics.jsonl."""

    kind: Literal["validation"] = "validation"
    epoch: int
    tokens: int
    elapsed: float
    loss: float | None
    perplexity: float | None = None
    bits_per_byte: float | None = None
    validation_tokens: int | None = None
    seconds: float | None = None
    best: bool = False


class EventKind(StrEnum):
    """What events.jsonl tells. Workers may add their own kinds; readers keep them."""

    ATTEMPT = "attempt"
    STARTED = "started"
    RESUMED = "resumed"
    CHECKPOINT = "checkpoint"
    CHECKPOINT_BAD = "checkpoint_bad"
    CHECKPOINT_FAILED = "checkpoint_failed"
    VALIDATION = "validation"
    SAMPLE = "sample"
    CONTROL = "control"
    GUARD = "guard"
    ROLLBACK = "rollback"
    WARNING = "warning"
    ERROR = "error"
    RESTART = "restart"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Event(Record):
    """One happening in events.jsonl."""

    kind: str
    message: str | None = None


class ControlAnswer(Event):
    """The answer to a control request: an event of kind `control` with the request's id."""

    kind: str = EventKind.CONTROL
    id: str | None
    """None when the request was too broken to have one."""
    op: str | None = None
    accepted: bool
    reason: str | None = None


class Request(Record):
    """One line of control.jsonl. Its attempt is the one it is meant for."""

    id: str = Field(min_length=1, max_length=64)
    op: str = Field(min_length=1, max_length=32)
    args: dict[str, Any] = Field(default_factory=dict)


class FilePrint(Tolerant):
    """Size in bytes and SHA-256 of a file."""

    size: int = Field(ge=0)
    sha256: str


class CourseRecord(Tolerant):
    """Where the learning rate of a checkpoint was, and how it would have gone on (engine.settings.schedule)."""

    kind: str
    learning_rate: float
    """The peak."""
    warmup_steps: int = 0
    min_lr_ratio: float = 0.1
    decay_share: float = 0.2
    start: int = 0
    """The update its warm-up counts from: 0, or where a fork began the schedule anew."""
    horizon: list[list[float]]
    """Knots of [step, progress]."""
    lr_scale: float = 1.0


class CheckpointRecord(Record):
    """checkpoint.json: written last; without it a checkpoint does not count."""

    format: int = FORMAT
    run: str | None = None
    """The id of the run that saved it; None where it was taken over, or an older version wrote it."""
    files: dict[str, FilePrint]
    epoch: int | None = None
    tokens: int | None = None
    row: int | None = None
    """Rows of that epoch consumed."""
    row_count: int | None = None
    """Rows of an epoch."""
    rows_fingerprint: str | None = None
    validation_loss: float | None = None
    course: CourseRecord | None = None
    surroundings: dict[str, Any] = Field(default_factory=dict)
    """What the bits of an update depend on beside the state: torch, device, threads, dtype, ..."""
    host: str | None = None
    done: list[str] = Field(default_factory=list)
    """What of the update's end was made before this save, of `log`, `validate` and `sample`."""
    keep: bool = False
    """A person asked to keep it: retention leaves it alone."""
