"""A run's folder: schemas, status, metrics, events, control, checkpoint manifests, supervisor. No torch."""
