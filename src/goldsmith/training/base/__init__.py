"""The laptop tiers' base models: trained from scratch by `make bases`, shipped with the package.

They stand where a pre-trained model stands on a cluster: they know the form of a transcript, how to
look a word up in the lore they are shown, and easy tasks. `corpus.py` says what they never see.
"""
