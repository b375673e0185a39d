"""A stylesheet that keeps what it has parsed for as long as the theme's colours stay."""

from textual.css.stylesheet import Stylesheet


class LastingStylesheet(Stylesheet):
    """Textual's stylesheet without its parsing of everything anew at every screen's first visit.

    Textual reads a screen's styles when the screen is first shown and then calls `reparse`, which makes a new sheet
    with an empty cache, although only the variables decide what a source is parsed to. Here `reparse` keeps the cache
    that `parse` uses; other variables still empty it, in `set_variables`.
    """

    def set_variables(self, variables: dict[str, str]) -> None:
        """Set the variables; those that hold already change nothing."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse what was not parsed with these variables. Raises StylesheetParseError and keeps its rules then."""
        self.parse()
