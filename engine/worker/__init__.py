"""The torch processes of a run: training, sampling, probing the device."""
