"""What the deeds of the runs browser say and ask: notifications, dialogs, and a run that can be resumed."""

from pathlib import Path

from screens import until
from textual.pilot import Pilot

from engine.run.folder import RunFolder
from minimind_tui.app.application import MinimindApp


def told(app: MinimindApp) -> str:
    """Everything that was notified."""
    return "\n".join(f"{note.title} {note.message}" for note in app._notifications)


async def until_told(app: MinimindApp, pilot: Pilot[int], words: str) -> None:
    await until(pilot, lambda: words in told(app))


async def until_dialog(app: MinimindApp, pilot: Pilot[int], kind: type) -> None:
    await until(pilot, lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
    await pilot.pause()


def usable(folder: RunFolder, workspace: Path) -> RunFolder:
    """The run with a text and a tokenizer that there are, as a resume and a fork want them."""
    text, tokenizer = workspace / "text.jsonl", workspace / "tokenizer.json"
    text.write_text('{"text": "Once."}\n')
    tokenizer.write_text("{}")
    manifest = folder.read_manifest()
    manifest.data_path, manifest.tokenizer_path = str(text), str(tokenizer)
    folder.write_manifest(manifest)
    return folder
