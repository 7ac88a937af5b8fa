"""Secrets and personal data in text, by form and checksum: one set of patterns for data and traces.

Found: keys, tokens and passwords; e-mail addresses, phone, card, account and identity numbers,
addresses of hosts and houses, dates of birth, and names that are introduced as such. Not found:
names without such a word, and anything that only its meaning gives away.
"""
