"""KFP components: one folder a step, each a thin wrapper around one core function."""
