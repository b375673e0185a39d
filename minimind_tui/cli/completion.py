"""What the shell offers when a preset or a run is to be named."""


def complete_preset(incomplete: str) -> list[tuple[str, str]]:
    """Presets whose name begins with what was typed, each with its summary."""
    from engine.errors import UserError
    from engine.settings.presets import load_preset, preset_paths

    offers = []
    for name in preset_paths():
        if name.startswith(incomplete):
            try:
                offers.append((name, load_preset(name).summary))
            except UserError:
                offers.append((name, ""))
    return offers
