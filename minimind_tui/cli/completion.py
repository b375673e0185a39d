"""What the shell offers when a preset or a run is to be named."""


def complete_preset(incomplete: str) -> list[tuple[str, str]]:
    """Presets whose name begins with what was typed, each with its summary."""
    from engine.errors import UserError
    from engine.settings.presets import load_preset, preset_paths

    offers = []
    for name in preset_paths():
        if name.startswith(incomplete):
            try:
                offers.append((name, load_preset(name).summary))
            except UserError:
                offers.append((name, ""))
    return offers


def complete_run(incomplete: str) -> list[str]:
    """Run ids that begin with what was typed, the newest first; with nothing typed `last` comes first."""
    from engine.places import runs_dir
    from engine.run.find import list_runs

    names = ["last", *(folder.id for folder in list_runs(runs_dir()))]
    return [name for name in names if name.startswith(incomplete)]


def complete_metric(incomplete: str) -> list[str]:
    """Metrics that begin with what was typed."""
    from engine.run.schema import TrainLine, ValidationLine

    lines = {**TrainLine.model_fields, **ValidationLine.model_fields}
    shared = ("v", "t", "attempt", "step", "kind", "best", "expert_load", "rank_seconds", "rank_data_wait")
    return [name for name in lines if name.startswith(incomplete) and name not in shared]


def complete_data(incomplete: str) -> list[str]:
    """The workspace's and the built-in data files, and JSONL files and folders that begin with what was typed."""
    from pathlib import Path

    from engine.settings.material import available_data

    known = [f"datasets/{name}" for name in available_data()]
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") else typed.parent
    prefix = "" if incomplete.endswith("/") else typed.name
    here = [
        f"{path}/" if path.is_dir() else str(path)
        for path in sorted(folder.glob(f"{prefix}*"))
        if path.is_dir() or path.suffix == ".jsonl"
    ]
    return list(dict.fromkeys(name for name in [*known, *here] if name.startswith(incomplete)))
