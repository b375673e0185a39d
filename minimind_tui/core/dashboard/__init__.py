"""What the dashboard of a run shows and offers, decided without a screen."""
