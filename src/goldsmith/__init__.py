"""Goldsmith turns a domain's rules and expert play into small, fast, cheap models."""

__version__ = "0.1.0"
