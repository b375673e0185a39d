"""What a run is asked to be: typed settings, presets, validation, schedules. No torch."""
