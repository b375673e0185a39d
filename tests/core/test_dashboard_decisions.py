"""What the dashboard tells first and offers, what becomes of requests, and the dialog for the learning rate."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from run_material import append_event, write_run

from engine.language import current_language, set_language
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import State, Status
from engine.run.view import RunView
from minimind_tui.core.dashboard.banner import Banner, Offer, banner_of, offer_label, unsaved
from minimind_tui.core.dashboard.learning_rate import check_factor, rate_now, rate_then, read_factor
from minimind_tui.core.dashboard.requests import Requests, request_words


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def read(folder: RunFolder) -> RunView:
    view = RunView(folder)
    view.read_all()
    return view


def banner(folder: RunFolder, **options: object) -> Banner:
    found = banner_of(folder, observe(folder), **options)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.STOPPING])
def test_a_run_that_simply_trains_has_no_banner(tmp_path: Path, state: State) -> None:
    folder = write_run(tmp_path, state=state)
    assert banner_of(folder, observe(folder)) is None


def test_a_stalled_run_may_be_stopped_at_once_and_says_what_that_loses(tmp_path: Path) -> None:
    shown = banner(write_run(tmp_path, state=State.STALLED, steps=180, save_every=50))
    assert shown.kind == "warning" and shown.offers[0] == "stop_now"
    assert (
        "Nothing has advanced for 10 min" in shown.text and "30 updates since the checkpoint at step 150" in shown.text
    )


def test_a_crashed_run_says_so_and_offers_resume(tmp_path: Path) -> None:
    shown = banner(
        write_run(tmp_path, state=State.CRASHED, steps=180),
        statement=["Bit for bit."],
        last_log=["a", "b", "c", "Boom"],
    )
    assert shown.kind == "error" and shown.offers == ("resume", "log")
    assert "without a word" in shown.text and "Its processes are gone." in shown.text and "Bit for bit." in shown.text
    assert shown.detail == ("b", "c", "Boom")


def test_a_failed_run_shows_its_message_and_its_last_lines(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.FAILED)
    shown = banner(folder, last_log=["Traceback", "Boom\x1b[2J"])
    assert "the loss is not a number" in shown.text and shown.detail == ("Traceback", "Boom[2J")
    assert "resume" not in banner(folder, resumable=False).offers
    died = write_run(tmp_path, state=State.FAILED, status={"reason": "worker_died", "message": "signal 9: Boom"})
    assert banner(died, last_log=["Boom"]).detail == ()


def test_a_finished_run_says_how_to_use_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.FINISHED)
    shown = banner(folder, weights=folder.weights / "pretrain_160.safetensors")
    assert shown.kind == "success" and shown.offers == ("playground",)
    assert shown.detail[1] == f"minimind generate {folder.id}" and "pretrain_160.safetensors" in shown.detail[0]


def test_other_ends_and_beginnings(tmp_path: Path) -> None:
    assert banner(write_run(tmp_path, state=State.PAUSED)).offers == ("continue",)
    assert banner(write_run(tmp_path, state=State.STOPPED)).offers == ("resume",)
    created = write_run(tmp_path, state=State.CREATED)
    assert banner(created).offers == ("start",)
    refused = banner(created, resumable=False, statement=["The text is gone."])
    assert refused.offers == () and "The text is gone." in refused.text


def test_a_stop_that_takes_long_may_be_made_at_once(tmp_path: Path) -> None:
    status = observe(write_run(tmp_path, state=State.STOPPING)).status
    seen = Observation(State.STOPPING, "It saves and stops.", "", status, 0.1, 25.0)
    found = banner_of(RunFolder(tmp_path), seen)
    assert found is not None and found.offers == ("stop_now",)


def test_a_missing_folder_and_unreadable_logs_are_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING)
    assert str(folder.path) in banner(folder, there=False).text
    assert "Permission denied" in banner(folder, log_problem="Permission denied").text


def test_what_stopping_at_once_loses() -> None:
    def words(step: int, saved: int | None) -> str:
        return unsaved(Status(attempt=1, step=step, state=State.RUNNING, last_checkpoint=saved))

    assert "nothing is lost" in words(0, None) and "all 7 updates" in words(7, None)
    assert "Everything up to step 7" in words(7, 7) and "The 2 updates" in words(9, 7)
    assert "nothing is lost" in unsaved(None)


def test_every_offer_has_a_label() -> None:
    assert len({offer_label(offer) for offer in get_args(Offer)}) == len(get_args(Offer))


def test_a_request_is_sent_then_answered(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING)
    view, requests = read(folder), Requests()
    save = requests.sent("aa", "save", at=10.0, attempt=1)
    rate = requests.sent("bb", "set", at=11.0, attempt=1)
    assert requests.look(view.events, view.observation) == []
    assert "waiting for the answer" in request_words(save, 12.0) and "no answer for 15s" in request_words(save, 25.0)
    append_event(folder, kind="control", id="bb", op="set", accepted=False, reason="Too\x1b[31m large.", step=201)
    append_event(folder, kind="control", id="aa", op="save", accepted=True, step=202)
    append_event(folder, kind="control", id="zz", op="save", accepted=True, step=203)
    view.read_all()
    assert set(map(id, requests.look(view.events, view.observation))) == {id(save), id(rate)}
    assert (save.outcome, save.step) == ("accepted", 202) and rate.outcome == "refused"
    assert request_words(rate, 12.0) == "Learning rate: refused. Too[31m large."
    assert request_words(save, 12.0) == "Save: done at step 202"
    assert requests.look(view.events, view.observation) == []


def test_a_request_expires_with_its_attempt(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.CRASHED)
    view, requests = read(folder), Requests()
    stop = requests.sent("aa", "stop", at=0.0, attempt=1)
    assert requests.waiting("stop") is stop
    assert requests.look(view.events, view.observation) == [stop] and stop.outcome == "lost"
    assert requests.waiting("stop") is None and "not answered" in request_words(stop, 1.0)


def test_the_latest_request_is_one_that_waits() -> None:
    requests = Requests()
    assert requests.latest is None
    first = requests.sent("aa", "save", at=0.0, attempt=1)
    second = requests.sent("bb", "sample", at=1.0, attempt=1)
    second.outcome = "accepted"
    assert requests.latest is first
    first.outcome = "accepted"
    assert requests.latest is second


@pytest.mark.parametrize(
    ("text", "factor"), [("0.5", 0.5), (" x2 ", 2.0), ("50%", 0.5), ("1/4", 0.25), ("0,1", 0.1), ("100", 100.0)]
)
def test_factors_as_people_write_them(text: str, factor: float) -> None:
    assert read_factor(text) == (factor, "")


@pytest.mark.parametrize("text", ["", "0", "-1", "101", "half", "nan", "inf", "1/0", "1/2/3", "1e999"])
def test_what_is_no_factor_is_explained(text: str) -> None:
    factor, problem = read_factor(text)
    assert factor is None and "0.5" in problem


def test_the_factor_is_on_the_schedule_not_on_the_present_factor() -> None:
    status = Status(attempt=1, step=5, state=State.RUNNING, lr=1e-3, lr_scale=0.5)
    assert rate_now(status) == "Now: 1.0e-03 (schedule × 0.5)"
    assert rate_then("1", status) == "Then: 2.0e-03 (schedule × 1)" and rate_then("x", status) == ""
    assert check_factor("0.5", status) and check_factor("0.25", status) == ""
    assert check_factor("1", None) == "" and "–" in rate_now(None)


def test_a_failed_run_that_starts_again_says_when_and_why(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.STARTING)
    seen = observe(folder)
    assert seen.status is not None
    status = seen.status.model_copy(update={"next_attempt_at": "2026-01-01T00:00:00.000Z"})
    told = "Attempt 1 failed at step 5: no. It starts again by itself in 4 s."
    found = banner_of(folder, Observation(State.STARTING, told, "", status))
    assert found is not None and found.kind == "warning" and told in found.text and found.offers == ("log",)
