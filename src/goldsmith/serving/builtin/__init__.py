"""The built-in engine: transformers on a CPU behind vLLM's HTTP contract.

`python -m goldsmith.serving.builtin MODEL_DIR`. An event loop speaks HTTP (`app.py`), one thread
owns the model (`worker.py`): requests join and leave its batch at any token, each with its own
adapter. Only this package of `goldsmith.serving` imports torch.
"""
