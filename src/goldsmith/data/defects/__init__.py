"""What can be wrong with training data: one file a group of defects, all named in `catalogue.py`.

A check takes a piece of data and yields problems, (defect id, message); it never stops the others.
"""
