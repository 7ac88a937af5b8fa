"""Batched sampling with a model and whole episodes in an environment; training and evaluation share it."""
