"""Serving: engines, the router in front of them, adapters that swap, traces that stay."""
