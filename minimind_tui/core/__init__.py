"""What the terminal application knows and decides, without a screen: no Textual in here."""
