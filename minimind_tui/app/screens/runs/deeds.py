"""What a person does to runs from the browser. Whatever may block runs in a thread; every failure is told in words."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from textual.worker import Worker, WorkerState

from engine.errors import UserError
from engine.language import _
from engine.run.annotations import TITLE_LENGTH, rename_run, write_note
from engine.run.checkpoints import CheckpointInfo, scan
from engine.run.delete import delete_run, folder_bytes
from engine.run.folder import RunFolder
from engine.run.fork import ForkPlan
from engine.run.resumability import ResumeStatement, resume_statement
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.dialogs import Choice, ChoiceDialog, TextDialog
from minimind_tui.app.guarding import tell, tell_error
from minimind_tui.core import run_actions
from minimind_tui.core.run_facts import RunRow
from minimind_tui.safe_text import one_line

MOST_COMPARED = 6
"""Curves that can be told apart in one chart."""

_MOST_NAMED = 8


class DeedsScreen(BaseScreen):
    """The deeds of the runs browser. Subclasses list the runs."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: set[str] = set()
        """The ids of the marked runs."""
        self.rows: list[RunRow] = []

    @property
    def selected(self) -> RunRow | None:
        """The run under the cursor."""
        raise NotImplementedError

    def select(self, folder: RunFolder) -> None:
        """Put the cursor on a run."""
        raise NotImplementedError

    # -- looking closer

    def action_open_run(self) -> None:
        """The dashboard of the run."""
        row = self._chosen()
        if row is not None:
            self.minimind.open_run(row.entry.folder)

    def action_playground(self) -> None:
        """Let the run's model write."""
        row = self._chosen()
        if row is not None:
            self.minimind.open_playground(folder=row.entry.folder)

    def action_compare(self) -> None:
        """Put the marked runs side by side; with one marked, that and the one under the cursor."""
        entries = [row.entry for row in self._marked_rows()]
        row = self.selected
        if len(entries) < 2 and row is not None and row.entry not in entries:
            entries.append(row.entry)
        if len(entries) < 2:
            tell(self, _("Mark two or more runs (space), then compare them."), severity="warning")
        elif len(entries) > MOST_COMPARED:
            told = _("{n} runs are marked; at most {most} can be told apart in one chart.")
            tell(self, told.format(n=len(entries), most=MOST_COMPARED), severity="warning")
        else:
            from minimind_tui.app.screens.runs.compare_screen import CompareScreen

            self.app.push_screen(CompareScreen([entry.folder for entry in entries]))

    def action_copy_path(self) -> None:
        """Show and copy the path of the run's folder."""
        row = self._chosen()
        if row is not None:
            path = str(row.entry.folder.path)
            self.app.copy_to_clipboard(path)
            tell(self, path, title=_("Copied"))

    # -- going on

    def action_resume(self) -> None:
        """Say what a resume will be, then go on."""
        row = self._chosen()
        if row is None:
            return
        state = row.entry.seen.state
        if row.entry.seen.is_live and state is not State.PAUSED:
            tell(self, _("{run} is running already.").format(run=_name(row)), severity="warning")
            return
        self._do("judge", partial(_judge, row))

    def _judged(self, found: tuple[RunRow, ResumeStatement]) -> None:
        row, statement = found
        created = row.entry.seen.state is State.CREATED
        title = _("Start {run}?") if created else _("Resume {run}?")
        if statement.possible:
            verb = _("Start") if created else _("Resume")
            choices = [
                Choice("resume", verb, "r", "primary"),
                Choice("open", _("{verb} and watch").format(verb=verb), "w"),
            ]
        else:
            title = _("{run} cannot be resumed")
            choices = [Choice("fork", _("Fork it with changed settings"), "f")]
        if statement.cache_instead:
            choices.append(Choice("cache", _("Train on with the cache of its text"), "c"))
        choices.append(Choice("leave", _("Leave it"), "l"))
        self.app.push_screen(
            ChoiceDialog(title.format(run=_name(row)), "\n".join(statement.lines()), choices),
            partial(self._resume_as, row),
        )

    def _resume_as(self, row: RunRow, choice: str | None) -> None:
        if choice == "fork":
            self._do("look for checkpoints", partial(_checkpoints_of, row))
        elif choice in ("resume", "open", "cache"):
            self._do("resume", partial(_resume, row.entry.folder, choice))

    def _resumed(self, found: tuple[RunFolder, bool]) -> None:
        folder, watch = found
        self._look_again(folder)
        if watch:
            self.minimind.open_run(folder)
        else:
            tell(self, _("{run} goes on.").format(run=folder.id))

    # -- forking

    def action_fork(self) -> None:
        """A new run from a checkpoint of this one."""
        row = self._chosen()
        if row is not None:
            self._do("look for checkpoints", partial(_checkpoints_of, row))

    def _checkpoints_found(self, found: tuple[RunRow, list[CheckpointInfo]]) -> None:
        row, infos = found
        if not infos:
            tell(self, _("{run} has no checkpoint to fork from yet.").format(run=_name(row)), severity="warning")
            return
        from minimind_tui.app.screens.runs.fork_dialog import ForkDialog

        self.app.push_screen(ForkDialog(row.entry.folder, infos), self._fork)

    def _fork(self, plan: ForkPlan | None) -> None:
        if plan is not None:
            tell(self, _("Copying the checkpoint and starting the fork..."))
            self._do("fork", partial(run_actions.fork, plan))

    def _forked(self, folder: RunFolder) -> None:
        self._look_again(folder)
        self.select(folder)
        tell(self, _("{run} was made and starts.").format(run=folder.id))

    # -- words on a run

    def action_rename(self) -> None:
        """Give the run a title."""
        row = self._chosen()
        if row is None:
            return
        self.app.push_screen(
            TextDialog(
                _("Rename {run}").format(run=row.key),
                _("A title that stands for the id wherever runs are listed; empty takes it away."),
                value=row.entry.annotations.title,
                check=_title_problem,
            ),
            partial(self._rename, row.entry.folder),
        )

    def _rename(self, folder: RunFolder, title: str | None) -> None:
        if title is not None:
            self._do("rename", lambda: (rename_run(folder, title), folder)[1])

    def action_note(self) -> None:
        """Write a note on the run."""
        row = self._chosen()
        if row is None:
            return
        from minimind_tui.app.screens.runs.note_dialog import NoteDialog

        self.app.push_screen(
            NoteDialog(row.entry.title, row.entry.annotations.note), partial(self._write_note, row.entry.folder)
        )

    def _write_note(self, folder: RunFolder, text: str | None) -> None:
        if text is not None:
            self._do("note", lambda: (write_note(folder, text), folder)[1])

    # -- deleting

    def action_delete(self) -> None:
        """Delete the marked runs, or the one under the cursor, after asking."""
        rows = self._marked_rows()
        if not rows:
            row = self._chosen()
            rows = [row] if row is not None else []
        doomed = [row for row in rows if not row.entry.seen.is_live]
        live = [row for row in rows if row.entry.seen.is_live]
        if live:
            told = _("Not deleted, because it is live: {runs}. Stop it first.")
            tell(self, told.format(runs=_names(live)), severity="warning")
        if doomed:
            self._do("weigh", partial(_weigh, doomed))

    def _weighed(self, found: list[tuple[RunRow, int]]) -> None:
        total = words.size(sum(size for _row, size in found))
        sizes = [words.size(size) for _row, size in found[:_MOST_NAMED]]
        widest = max(map(len, sizes))
        lines = [f"{size.rjust(widest)}  {_name(row)}" for size, (row, _size) in zip(sizes, found, strict=False)]
        if len(found) > _MOST_NAMED:
            lines.append(_("and {n} more").format(n=len(found) - _MOST_NAMED))
        title = _("Delete {n} runs?").format(n=len(found)) if len(found) > 1 else _("Delete this run?")
        body = "\n".join(lines) + "\n\n"
        body += _("This frees {size}. Its checkpoints, logs and weights are gone for good.").format(size=total)
        self.app.push_screen(
            ChoiceDialog(
                title, body, [Choice("no", _("Keep"), "k", "primary"), Choice("delete", _("Delete"), "d", "error")]
            ),
            partial(self._delete, [row.entry.folder for row, _size in found]),
        )

    def _delete(self, folders: list[RunFolder], choice: str | None) -> None:
        if choice == "delete":
            self._do("delete", partial(_delete_all, folders))

    def _deleted(self, found: tuple[list[RunFolder], int, list[str]]) -> None:
        gone, freed, problems = found
        for problem in problems:
            tell(self, problem, severity="error")
        if gone:
            self.marked -= {folder.id for folder in gone}
            told = _("Deleted {n} runs, {size} freed.").format(n=len(gone), size=words.size(freed))
            tell(self, told if len(gone) > 1 else _("Deleted, {size} freed.").format(size=words.size(freed)))
        self._look_again(None)

    # -- reports

    def action_report(self) -> None:
        """Write a report of the run."""
        row = self._chosen()
        if row is None:
            return
        self.app.push_screen(
            ChoiceDialog(
                _("Report on {run}").format(run=_name(row)),
                _("One file with curves, settings, attempts and samples, written into the run's folder."),
                [
                    Choice("html", _("A page for the browser (HTML)"), "h", "primary"),
                    Choice("md", _("A text (Markdown)"), "m"),
                    Choice("no", _("Cancel"), "c"),
                ],
            ),
            partial(self._report, row.entry.folder),
        )

    def _report(self, folder: RunFolder, choice: str | None) -> None:
        if choice in ("html", "md"):
            self._do("report", partial(_write_report, folder, choice))

    def _reported(self, path: Path) -> None:
        self.app.copy_to_clipboard(str(path))
        tell(self, str(path), title=_("The report is written; its path is copied"))

    # -- the workers behind it

    def _do(self, name: str, work: Callable[[], Any]) -> None:
        """Do something in a thread; what is to follow stands in `on_worker_state_changed`."""
        self.run_worker(work, name=name, group=name, thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Go on with what a thread found, or tell why it failed."""
        name = event.worker.name
        follow: dict[str, tuple[str, Callable[[Any], None]]] = {
            "judge": (_("Resuming failed"), self._judged),
            "resume": (_("Resuming failed"), self._resumed),
            "look for checkpoints": (_("Forking failed"), self._checkpoints_found),
            "fork": (_("Forking failed"), self._forked),
            "rename": (_("Renaming failed"), self._look_again),
            "note": (_("The note could not be kept"), self._look_again),
            "weigh": (_("Deleting failed"), self._weighed),
            "delete": (_("Deleting failed"), self._deleted),
            "report": (_("The report could not be written"), self._reported),
        }
        if name not in follow or event.state not in (WorkerState.SUCCESS, WorkerState.ERROR):
            return
        event.stop()
        doing, then = follow[name]
        if event.state is WorkerState.ERROR:
            tell_error(self, doing, event.worker.error)
            self._look_again(None)
        else:
            then(event.worker.result)

    def _look_again(self, folder: RunFolder | None) -> None:
        """Read a run anew, or only the list of runs, and show it at once."""
        index = self.minimind.index
        if folder is not None:
            index.forget(folder)
        index.poll()
        self.runs_changed()

    # -- whom it is about

    def _chosen(self) -> RunRow | None:
        row = self.selected
        if row is None:
            tell(self, _("No run is chosen."), severity="warning")
        return row

    def _marked_rows(self) -> list[RunRow]:
        """The marked runs in the order of the list; those the filter hides come last."""
        listed = [row for row in self.rows if row.key in self.marked]
        known = {row.key for row in listed}
        return listed + [row for row in self.every_row() if row.key in self.marked and row.key not in known]

    def every_row(self) -> Sequence[RunRow]:
        """All runs, also those the filter hides."""
        raise NotImplementedError


def _name(row: RunRow) -> str:
    return one_line(row.entry.title)


def _names(rows: Sequence[RunRow]) -> str:
    shown = ", ".join(_name(row) for row in rows[:_MOST_NAMED])
    return shown + (f" +{len(rows) - _MOST_NAMED}" if len(rows) > _MOST_NAMED else "")


def _title_problem(text: str) -> str:
    if len(text) <= TITLE_LENGTH:
        return ""
    return _("A title has at most {most} characters; this one has {n}.").format(most=TITLE_LENGTH, n=len(text))


def _judge(row: RunRow) -> tuple[RunRow, ResumeStatement]:
    return row, resume_statement(row.entry.folder)


def _resume(folder: RunFolder, choice: str) -> tuple[RunFolder, bool]:
    if choice == "cache":
        run_actions.resume_on_cache(folder)
    else:
        run_actions.resume(folder)
    return folder, choice == "open"


def _checkpoints_of(row: RunRow) -> tuple[RunRow, list[CheckpointInfo]]:
    return row, [info for info in scan(row.entry.folder) if info.record is not None]


def _weigh(rows: list[RunRow]) -> list[tuple[RunRow, int]]:
    return [(row, folder_bytes(row.entry.folder.path)) for row in rows]


def _delete_all(folders: list[RunFolder]) -> tuple[list[RunFolder], int, list[str]]:
    """Delete runs one after the other; which are gone, the bytes freed, and why others are not."""
    gone: list[RunFolder] = []
    freed, problems = 0, []
    for folder in folders:
        try:
            freed += delete_run(folder)
            gone.append(folder)
        except UserError as error:
            problems.append(str(error))
    return gone, freed, problems


def _write_report(folder: RunFolder, kind: str) -> Path:
    from minimind_tui.report import Kind, write_report

    return write_report(folder, None, cast("Kind", kind))
