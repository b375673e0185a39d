"""From a run's folder to its trainer: read what was asked, load the data, make the network, restore a checkpoint."""

import time
from functools import partial
from pathlib import Path

import numpy as np

from engine.convert.fitting import load_weights
from engine.convert.reading import read_weights
from engine.data.stream import Cursor, UpdateStream
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.estimate.duration import saved_bytes
from engine.estimate.peak_flops import peak_flops
from engine.estimate.size import flops_per_token
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.places import cache_dir
from engine.run.checkpoints import scan
from engine.run.clock import ActiveClock, parse_utc
from engine.run.guard_record import read_guard
from engine.run.launch import stem_of, weights_name
from engine.run.publishing import published_by
from engine.run.schema import EventKind, Manifest, Phase
from engine.run.worker_link import WorkerLink
from engine.settings.balancing import balancing_of
from engine.settings.network import shape_from_settings
from engine.settings.onward import schedule_of
from engine.settings.run_toml import parse_settings
from engine.settings.schedule import Horizon
from engine.settings.settings import Settings
from engine.train.autopsy import Autopsy
from engine.train.beginning import apply_rollbacks, begin, most_updates, without_excluded
from engine.train.budget import EndPlanner, TimeBounds
from engine.train.computing import Computing, choose_computing
from engine.train.describing import describe
from engine.train.exactness import surroundings
from engine.train.finite import names_not_finite
from engine.train.forking import fork_of
from engine.train.guard import Guard
from engine.train.loading import Restored, restore
from engine.train.loop import Trainer
from engine.train.material import Material, open_material
from engine.train.micro_batch import MicroBatch, begin_micro_batch
from engine.train.micro_batch_search import search_rows
from engine.train.optimizers import LossScaler
from engine.train.out_of_memory import free_memory, is_out_of_memory
from engine.train.parts import make_model, make_network, make_optimizer
from engine.train.ranks import ALONE, Network, Place, Ranks, join_ranks
from engine.train.reporting import Reporter
from engine.train.requests import RequestDesk
from engine.train.rng import derive_seed, seed_everything
from engine.train.saving import Identity, SavePlan, Saver
from engine.train.speed import SpeedRecorder, rate
from engine.train.state import TrainerState
from engine.train.trackers import RunInfo, TrackerName, Trackers, build_trackers
from engine.train.update import Updater
from engine.train.watching import SampleSettings, Watcher


def build_trainer(link: WorkerLink, desk: RequestDesk, place: Place = ALONE) -> Trainer:
    """Everything a training needs, at its first update or at the one its checkpoint waits for.

    `place` is that of this process among those of the run; the processes meet in here. Raises UserError for what only a
    person can mend, BuildStopped when `desk` was asked to stop while tokenising.
    """
    settings, _preset = parse_settings(link.folder.run_toml)
    manifest = link.folder.read_manifest()
    ranks = join_ranks(_checked(place, settings), settings.rank_timeout)
    computing = choose_computing(
        settings, lambda note: link.event(EventKind.WARNING, link.start_step, message=note), place
    )
    ranks.join(computing.device)
    link.update(world_size=ranks.size)
    if manifest.data_path is None or manifest.tokenizer_path is None:
        raise UserError(_("{path} does not say which text and tokenizer to use.").format(path=link.folder.manifest))
    data_path, tokenizer_path = Path(manifest.data_path), Path(manifest.tokenizer_path)
    begun = (manifest.text, manifest.tokenizer_hash) if link.checkpoint else (None, None)
    reading = (settings, data_path, tokenizer_path, cache_dir(), link, lambda: desk.poll() is not None, *begun)
    material = ranks.main_first(lambda: open_material(*reading))

    record = read_guard(link.folder)
    material = without_excluded(material, record, link)
    link.update(phase=Phase.LOADING)
    seed_everything(settings.seed)
    shape = shape_from_settings(settings, material.tokenizer.vocab_size)
    model = make_model(settings, shape, computing)
    optimizer = make_optimizer(settings, model, computing)
    scaler = LossScaler(computing.precision.scaler)
    checkpoint = next((info for info in scan(link.folder) if info.path == link.checkpoint), None)
    fork = fork_of(manifest, checkpoint)
    restored: Restored | None = None
    if checkpoint is not None:
        restored = restore(
            checkpoint,
            model,
            optimizer,
            scaler,
            rows_fingerprint=material.training.fingerprint,
            tokenizer_hash=material.tokenizer.sha256,
            forked_with=None if fork is None else fork.settings,
        )
    elif manifest.lineage is not None and manifest.lineage.path is not None:
        _start_from(Path(manifest.lineage.path), model, material)
    state = restored.state if restored else TrainerState()
    apply_rollbacks(state, record)
    taking = begin(state, fork, restored, settings, material)
    schedule = schedule_of(settings, state.schedule_start)
    desk.state = state
    micro_batch = begin_micro_batch(
        link,
        state,
        computing.memory_key(settings, material.tokenizer.vocab_size),
        cache_dir(),
        lambda: search_rows(
            settings,
            shape,
            material.training,
            model,
            optimizer,
            computing,
            lambda done, total: link.note(phase_done=done, phase_total=total),
        ),
    )
    if ranks.size > 1:
        micro_batch.settle(int(min(rows for (rows,) in ranks.gather(micro_batch.rows))))
    network = _network(micro_batch, model, material, computing, link, ranks)
    micro_batch.describe()

    around = surroundings(
        device=computing.device,
        dtype=computing.precision.dtype,
        compiled=network is not model,
        deterministic=computing.deterministic,
        recompute=settings.recompute,
        batch_size=micro_batch.rows,
        accumulation_steps=micro_batch.per_update,
        world_size=ranks.size,
    )
    around["batch_size_asked"] = settings.batch_size  # engine.run.resumability compares it with what a resume asks
    around |= {"rollbacks": state.rollbacks, "excluded": len(record.excluded)}
    stream = UpdateStream(
        material.training,
        seed=settings.seed,
        micro_batch=settings.micro_batch,
        accumulation_steps=settings.accumulation_steps,
        world_size=ranks.size,
        rank=ranks.rank,
        at_once=micro_batch.rows,
        start=Cursor(state.epoch, state.row),
        end_epoch=settings.epochs,
        fixed_shape=network is not model,
    )
    trackers = _trackers(settings, link, state, ranks.rank)
    clock = ActiveClock(state.elapsed)
    balancing = balancing_of(settings)
    updater = Updater(model, network, optimizer, scaler, computing.autocast, settings.grad_clip, balancing, ranks)
    if ranks.size > 1:
        updater.rehearse(material.training.batch(np.arange(1)))
    watcher = Watcher(
        link,
        trackers,
        updater,
        material.validation,
        micro_batch,
        material.tokenizer,
        _samples(settings, material.tokenizer),
        clock,
    )
    rows = material.training
    identity = Identity(rows.fingerprint, rows.row_count, material.tokenizer.sha256, schedule, around)
    saver = Saver(link.folder, link, model, optimizer, scaler, identity, _save_plan(settings, manifest), clock)
    saver.last_step = state.step if restored else None
    saver.check_data = rows.check_untouched
    known_peak = peak_flops(computing.info.name, computing.precision.dtype)
    reporter = Reporter(
        link,
        trackers,
        computing.device,
        scaler,
        flops_per_token(shape, material.training.mean_context),
        known_peak or computing.matmul_rate,
        ranks.size,
        is_measured=known_peak is None,
    )
    bounds = _time_bounds(settings, state, manifest)
    if fork is not None and bounds.seconds_left(state.elapsed, time.time()) <= 0:
        raise UserError(
            _("The time of this fork was over before it began. Fork again with another --time_budget or --deadline.")
        )
    link.update(
        epochs=settings.epochs,
        total_steps=state.horizon[-1][0],
        total_tokens=state.tokens_before + settings.epochs * material.training.target_tokens,
        tokens=state.tokens,
        elapsed=round(state.elapsed, 3),
        skipped=state.skipped,
        lr_scale=state.lr_scale,
        best_validation=state.best_loss,
        best_validation_step=state.best_step,
    )
    describe(link, material, model, computing, ranks, around, restored, fork, taking)
    if restored is not None:
        restored.restore_rng()
    return Trainer(
        settings=settings,
        state=state,
        link=link,
        desk=desk,
        stream=stream,
        updater=updater,
        schedule=schedule,
        horizon=Horizon.from_list(state.horizon),
        planner=EndPlanner(bounds, most_updates(settings, state, material)),
        reporter=reporter,
        watcher=watcher,
        saver=saver,
        trackers=trackers,
        clock=clock,
        speed=_speed(settings, computing, material, watcher, saver, micro_batch),
        micro_batch=micro_batch,
        guard=Guard(
            settings,
            state,
            link,
            updater,
            Autopsy(updater, material.training, material.tokenizer, str(data_path), lambda: micro_batch.rows),
            record,
            clock,
            computing.precision.dtype,
        ),
        completes_save=restored is not None and fork is None,
    )


def _checked(place: Place, settings: Settings) -> Place:
    """The place, if as many processes are there as were asked for. Raises UserError."""
    if place.size != settings.processes:
        raise UserError(
            _(
                "{there} processes were started, but the run asks for nproc x nnodes = {nproc} x {nnodes}. Start as "
                "many, or resume it with another --nproc."
            ).format(there=place.size, nproc=settings.nproc, nnodes=settings.nnodes)
        )
    return place


def _time_bounds(settings: Settings, state: TrainerState, manifest: Manifest) -> TimeBounds:
    budget = settings.time_budget + state.time_before if settings.time_budget > 0 else 0.0
    return TimeBounds(budget, parse_utc(manifest.deadline_at) if manifest.deadline_at else None)


def _start_from(path: Path, model: LanguageModel, material: Material) -> None:
    """Begin with the weights of a file. Raises UserError when they do not fit the network or the tokenizer."""
    weights = read_weights(path)
    beside = published_by(path.parent, path.stem)
    theirs = weights.metadata.get("tokenizer_hash") or (beside.tokenizer_hash if beside else None)
    if theirs is not None and theirs != material.tokenizer.sha256:
        raise UserError(
            _(
                "The weights in {path} were trained with another tokenizer: their ids mean other text. "
                "Give --tokenizer the one they were trained with."
            ).format(path=path)
        )
    if broken := names_not_finite(weights.tensors):
        raise UserError(
            _("The weights in {path} are not finite ({name} for example): nothing can be learned from there.").format(
                path=path, name=broken[0]
            )
        )
    load_weights(model, weights)


def _network(
    micro_batch: MicroBatch,
    model: LanguageModel,
    material: Material,
    computing: Computing,
    link: WorkerLink,
    ranks: Ranks,
) -> Network:
    """The model, or its compiled form where that is asked for and works; why not is said. Memory that runs out in the
    first pass makes the micro-batch smaller.
    """
    if computing.compile.on:
        link.update(phase=Phase.COMPILING)
    while True:
        rows = np.arange(min(micro_batch.rows, material.training.row_count))
        try:
            network, problem = make_network(model, computing, partial(material.training.batch, rows))
            break
        except Exception as error:
            if ranks.size > 1 or not is_out_of_memory(error):
                raise
        free_memory(computing.device)
        micro_batch.halve()
    if problem is not None:
        link.event(EventKind.WARNING, link.start_step, message=_("Training runs uncompiled. {why}").format(why=problem))
    return network


def _samples(settings: Settings, tokenizer: Tokenizer) -> SampleSettings:
    surrounded = settings.special_tokens == "both"
    return SampleSettings(
        prompts=settings.sample_prompts,
        tokens=settings.sample_tokens,
        temperature=settings.sample_temperature,
        top_k=settings.sample_top_k,
        top_p=settings.sample_top_p,
        seed=derive_seed(settings.seed, "sample"),
        begin=(tokenizer.bos_id,) if surrounded else (),
        eos_id=tokenizer.eos_id if surrounded else None,
    )


def _speed(
    settings: Settings,
    computing: Computing,
    material: Material,
    watcher: Watcher,
    saver: Saver,
    micro_batch: MicroBatch,
) -> SpeedRecorder:
    vocab_size = material.tokenizer.vocab_size
    validation_tokens = material.validation.target_tokens if material.validation is not None else 0
    sampled = settings.sample_tokens * len(settings.sample_prompts)
    saved = saved_bytes(settings, shape_from_settings(settings, vocab_size))

    def between() -> dict[str, float | None]:
        last = watcher.last_seconds
        return {
            "validation_tokens_per_s": rate(validation_tokens, last["validate"]),
            "sampled_tokens_per_s": rate(sampled, last["sample"]),
            "saved_bytes_per_s": rate(saved, saver.last_seconds),
        }

    recorder = SpeedRecorder(
        cache_dir(),
        computing.speed_key(settings, vocab_size),
        rows_per_update=settings.rows_per_update,
        accumulation_steps=settings.accumulation_steps,
        between=between,
    )
    recorder.measure_other(micro_batch.rows, micro_batch.per_update)
    return recorder


def _save_plan(settings: Settings, manifest: Manifest) -> SavePlan:
    return SavePlan(
        run=manifest.id,
        save_interval=settings.save_interval,
        save_minutes=settings.save_minutes,
        keep_checkpoints=settings.keep_checkpoints,
        weights_name=stem_of(manifest, weights_name(settings)),
        save_dir=None if settings.save_dir == "none" else Path(manifest.save_dir or settings.save_dir).absolute(),
    )


def _trackers(settings: Settings, link: WorkerLink, state: TrainerState, rank: int) -> Trackers:
    wanted: dict[TrackerName, bool] = {
        "tensorboard": settings.use_tensorboard,
        "wandb": settings.use_wandb,
        "swanlab": settings.use_swanlab,
    }
    info = RunInfo(
        run_id=link.folder.id,
        folder=link.folder.path,
        config=settings.model_dump(),
        project=settings.wandb_project,
        start_step=state.step,
    )

    def on_problem(name: str, message: str) -> None:
        link.event(EventKind.WARNING, link.status.step, message=message, tracker=name)

    return build_trackers([name for name, on in wanted.items() if on], info, on_problem, rank=rank)
