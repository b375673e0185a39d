"""Weights in and out: MiniMind .pth and safetensors."""
