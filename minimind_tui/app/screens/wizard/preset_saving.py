"""Saving what was tuned as a preset: its name, a sentence on it, and a question before anything is replaced."""

from collections.abc import Awaitable, Callable

from textual.screen import Screen

from engine.errors import UserError
from engine.language import _
from minimind_tui import words
from minimind_tui.app.dialogs import Choice, ChoiceDialog, TextDialog
from minimind_tui.app.guarding import guarded, tell
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.preset_file import hides_builtin, preset_name_problem, preset_path, save_preset


class PresetSaving:
    """The dialogs of one screen; `saved` hears the name of a preset that was written."""

    def __init__(self, screen: Screen[None], saved: Callable[[str], Awaitable[None]]) -> None:
        self._screen, self._saved = screen, saved

    def begin(self, draft: WizardDraft) -> None:
        """Ask for a name; tells why when the settings are not in order."""
        try:
            draft.form.settings()
        except UserError as error:
            tell(self._screen, str(error), severity="error")
            return
        body = _("It is written to ./presets as a TOML file, and offered here from then on.")
        dialog = TextDialog(_("Save as a preset"), body, placeholder=_("its name"), check=preset_name_problem)
        self._screen.app.push_screen(dialog, lambda name: self._named(draft, name))

    def _named(self, draft: WizardDraft, name: str | None) -> None:
        if name is None:
            return
        path = preset_path(name)
        if not path.exists() and not hides_builtin(name):
            self._describe(draft, name, overwrite=False)
            return
        body = (
            _("{path} is there already.").format(path=words.short_path(path))
            if path.exists()
            else _("{name} is built in; yours takes its place in this workspace.").format(name=path.stem)
        )
        choices = [
            Choice("other", _("Another name"), "n", "primary"),
            Choice("take", _("Replace it"), "r", "warning"),
            Choice("cancel", _("Cancel"), "c"),
        ]

        def answered(choice: str | None) -> None:
            if choice == "other":
                self.begin(draft)
            elif choice == "take":
                self._describe(draft, name, overwrite=True)

        self._screen.app.push_screen(ChoiceDialog(_("Replace a preset?"), body, choices), answered)

    def _describe(self, draft: WizardDraft, name: str, *, overwrite: bool) -> None:
        dialog = TextDialog(_("Save as a preset"), _("One sentence that says what it is:"), value=draft.summary())

        async def described(summary: str | None) -> None:
            if summary is None:
                return
            with guarded(self._screen, _("The preset was not saved")):
                path = save_preset(
                    name,
                    draft.form.settings(),
                    summary=summary.strip(),
                    based_on=draft.preset,
                    base=draft.form.base,
                    overwrite=overwrite,
                )
                tell(self._screen, _("Saved {path}").format(path=words.short_path(path)))
                await self._saved(path.stem)

        self._screen.app.push_screen(dialog, described)
