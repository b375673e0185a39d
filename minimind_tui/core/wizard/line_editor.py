"""Editing one line of text, without a screen."""


class LineEditor:
    """A text and where the cursor is in it. `fresh`: as if all of it was selected, the next character replaces it."""

    def __init__(self, text: str) -> None:
        self.text, self.cursor, self.fresh = text, len(text), bool(text)

    def insert(self, added: str) -> None:
        """Put characters where the cursor is; line breaks become blanks."""
        added = " ".join(added.splitlines()) if "\n" in added or "\r" in added else added
        if self.fresh:
            self.text, self.cursor, self.fresh = "", 0, False
        self.text = self.text[: self.cursor] + added + self.text[self.cursor :]
        self.cursor += len(added)

    def backspace(self) -> None:
        """Remove what is before the cursor."""
        if self.fresh:
            self._cut(0, len(self.text))
        else:
            self._cut(max(0, self.cursor - 1), self.cursor)

    def delete(self) -> None:
        """Remove what is under the cursor."""
        if self.fresh:
            self._cut(0, len(self.text))
        else:
            self._cut(self.cursor, self.cursor + 1)

    def delete_word(self) -> None:
        """Remove the word before the cursor."""
        end = len(self.text) if self.fresh else self.cursor
        start = len(self.text[:end].rstrip())
        while start and not self.text[start - 1].isspace():
            start -= 1
        self._cut(start, end)

    def delete_to_start(self) -> None:
        """Remove all before the cursor."""
        self._cut(0, len(self.text) if self.fresh else self.cursor)

    def move(self, by: int) -> None:
        """Go so many characters on or back."""
        self.go(self.cursor + by)

    def go(self, cursor: int) -> None:
        """Put the cursor before a character."""
        self.cursor, self.fresh = min(max(0, cursor), len(self.text)), False

    def _cut(self, start: int, end: int) -> None:
        self.text = self.text[:start] + self.text[end:]
        self.cursor, self.fresh = start, False
