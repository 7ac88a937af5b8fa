"""Rewards, one kind a file: pure functions from plain values to numbers."""
