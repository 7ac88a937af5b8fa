"""LoRA adapters swapped under load: the protocol, the controller and the agent beside an engine."""
