"""`goldsmith serve`: tiers, router, adapter controller and trace collector on one machine.

stack.py says which processes there are, supervisor.py starts them and keeps them up.
"""
