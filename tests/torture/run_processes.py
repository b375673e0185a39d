"""Starting a run's processes as a person's command does, finding them, and ending them."""

import os
import subprocess
from pathlib import Path

import psutil

from engine.run.folder import RunFolder
from engine.run.start import READY, module_environment, python_module
from engine.run.trainer_log import open_log

HERE = Path(__file__).parent


def start(
    run: RunFolder, environment: dict[str, str], *, several: bool
) -> tuple["subprocess.Popen[bytes] | None", str]:
    """Start the run's supervisor as engine.run.start does, but keep it as a child; None, and why, when it refused."""
    read_end, write_end = os.pipe()
    log = open_log(run.trainer_log)
    paths = os.pathsep.join([str(HERE), module_environment().get("PYTHONPATH", "")]).rstrip(os.pathsep)
    process = subprocess.Popen(
        [
            *python_module("pointed_supervisor"),
            str(run.path),
            *("--ready-fd", str(write_end)),
            *("--worker", "pointed_launch" if several else "pointed_worker"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=module_environment() | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment,
        pass_fds=(write_end,),
        start_new_session=True,
    )
    os.close(log)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read()
    if said == READY:
        return process, ""
    process.wait()
    return None, said.decode("utf-8", "replace") or f"exit code {process.returncode}"


def processes_of(run: RunFolder) -> list[psutil.Process]:
    """The living processes whose command names the run's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(run.path) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def children_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def end_all(run: RunFolder) -> None:
    """Leave no process of a run behind."""
    for process in processes_of(run):
        try:
            process.kill()
        except psutil.Error:
            continue
