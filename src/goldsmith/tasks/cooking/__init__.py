"""TextWorld cooking: recipes in invented words that only the lore explains.

The game, its rules and its food splits are Microsoft's (MIT); the preparation words, the compact
texts and the planner are ours. `engine.py` says how the generator is patched and why.
"""
