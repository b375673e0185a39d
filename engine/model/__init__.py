"""The network, both MiniMind generations."""
