"""One line of tabs, each with the key that shows it."""

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget


class TabStrip(Widget):
    """The names of the tabs, the active one reversed and between brackets."""

    DEFAULT_CSS = """
    TabStrip { height: 1; padding: 0 1; }
    """

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self) -> None:
        super().__init__(id="dash-tabs")
        self._tabs: list[tuple[str, str, str]] = []
        self._active = ""

    def show(self, tabs: list[tuple[str, str, str]], active: str) -> None:
        """Show these tabs, of each its name, its key and its label, and mark the active one."""
        if (tabs, active) != (self._tabs, self._active):
            self._tabs, self._active = tabs, active
            self.refresh()

    def render(self) -> Content:
        return Content(" ").join([label for _name, label in self._labels()]).truncate(self.content_size.width)

    def _labels(self) -> list[tuple[str, Content]]:
        labels = []
        for name, key, words in self._tabs:
            if name == self._active:
                label = Content.assemble((f"[{key} {words}]", "bold $text-primary"))
            else:
                label = Content.assemble(" ", (key, "$quiet"), f" {words} ")
            labels.append((name, label))
        return labels

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        left = 0
        for name, label in self._labels():
            if left <= offset.x < left + label.cell_length:
                self.post_message(self.Chosen(name))
                return
            left += label.cell_length + 1
