"""Domains: lore, tasks, environments and their verifiers, one domain a file or folder."""
