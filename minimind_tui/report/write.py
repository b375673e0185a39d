"""Writing a run's report: a page made from its folder, in one file that needs nothing beside it."""

from pathlib import Path
from typing import Literal

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.folder import RunFolder
from minimind_tui.report.gather import gather
from minimind_tui.report.html_page import html_page
from minimind_tui.report.markdown_page import markdown_page

Kind = Literal["html", "md"]
KINDS: tuple[Kind, ...] = ("html", "md")


def write_report(folder: RunFolder, path: Path | None = None, kind: Kind | None = None) -> Path:
    """Write the report of a run, finished or in training, and return where it lies.

    `path` is a file, or a folder to put `<id>.html` into; None is `report.html` in the run's own folder. `kind` None
    follows the path's ending, else is HTML. An older report of that name is replaced in one step. Raises UserError:
    no run's folder, a log that cannot be read, a place that cannot be written.
    """
    chosen: Kind = kind or ("md" if path is not None and path.suffix.lower() in (".md", ".markdown") else "html")
    if path is None:
        target = folder.path / f"report.{chosen}"
    elif path.is_dir():
        target = path / f"{folder.id}.{chosen}"
    else:
        target = path
    data = gather(folder)
    text = html_page(data) if chosen == "html" else markdown_page(data)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, text.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(
            _("Cannot write {path}: {problem}.").format(path=target, problem=error.strerror or error)
        ) from error
    return target.absolute()
