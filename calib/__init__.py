"""PyTorch side."""
