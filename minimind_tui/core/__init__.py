"""What the terminal application knows and decides, without a screen: no Textual in here, so that it is tested as it is."""
