"""Runs the main job on Kubernetes: builders are pure functions, and only `client.py` sends."""
