"""Runs the compiled pipeline here: what ships is what runs."""
