"""Batched sampling with a model, and whole episodes; training and evaluation share it."""
