"""`minimind doctor`: what of this machine helps or hinders a run, looked at without torch in this process."""
