"""What a run opens to others: one process listens to nobody, several to the loopback alone; files follow the umask."""

import os

import psutil
import pytest
from rank_runs import ended, wait_until

from engine.run.observe import observe
from engine.run.schema import State
from engine.run.start import start_run


def listening(run) -> set[str]:
    """The addresses on which the run's processes listen, as the system tells of each of them."""
    status = observe(run).status
    found = set()
    processes = [status.supervisor] if status is not None and status.supervisor is not None else []
    for identity in processes:
        try:
            supervisor = psutil.Process(identity.pid)
            for process in (supervisor, *supervisor.children(recursive=True)):
                for connection in process.net_connections(kind="inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.add(connection.laddr.ip)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("nproc", [1, 2])
def test_a_run_listens_on_nothing_that_others_can_reach(workshop, nproc):
    run = workshop.make(nproc=nproc, batch_size=1, accumulation_steps=3, max_steps=12, rank_timeout=60.0)
    start_run(run)
    seen: set[str] = set()

    def is_over() -> bool:
        seen.update(listening(run))
        return not observe(run).is_live

    wait_until(is_over, "the end")
    assert ended(run).state is State.FINISHED, observe(run).message
    assert seen == (set() if nproc == 1 else {"127.0.0.1"})


def test_the_store_of_ranks_on_one_machine_is_bound_to_the_loopback():
    from torch.distributed.elastic.rendezvous import RendezvousParameters

    from engine.worker.loopback import BACKEND, LoopbackRendezvous

    def mine() -> set[str]:
        here = psutil.Process(os.getpid()).net_connections(kind="inet")
        return {one.laddr.ip for one in here if one.status == psutil.CONN_LISTEN}

    before = mine()
    meeting = LoopbackRendezvous(RendezvousParameters(BACKEND, "127.0.0.1:0", "run-1", 1, 1))
    assert mine() - before == {"127.0.0.1"} - before
    told = meeting.next_rendezvous()
    told.store.set("key", "value")
    assert told.store.get("key") == b"value" and (told.rank, told.world_size) == (0, 1)
    assert told.bootstrap_store_info.master_addr == "127.0.0.1" and told.bootstrap_store_info.master_port > 0


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o022])
def test_what_a_run_writes_has_the_rights_its_umask_leaves(workshop, umask):
    before = os.umask(umask)
    try:
        folder = workshop.folder / "shared"
        folder.mkdir()
        run = workshop.make(max_steps=5, save_interval=2, save_dir=str(folder / "out"))
        workshop.train(run)
        from engine.run.annotations import rename_run
        from minimind_tui.core.preferences import Preferences, save_preferences
        from minimind_tui.report import write_report

        rename_run(run, "A title")
        write_report(run)
        os.environ["MINIMIND_CONFIG"] = str(folder / "config")
        assert not save_preferences(Preferences())
    finally:
        os.umask(before)
        os.environ.pop("MINIMIND_CONFIG", None)
    seen = 0
    for place in (run.path, folder, workshop.folder / "cache"):
        for path in (place, *place.rglob("*")):
            whole = 0o777 if path.is_dir() else 0o666
            assert path.stat().st_mode & 0o7777 == whole & ~umask, (path, oct(path.stat().st_mode))
            seen += 1
    assert seen > 30
