"""Roles A, B and C: from lore and expert play to verified trajectories."""
