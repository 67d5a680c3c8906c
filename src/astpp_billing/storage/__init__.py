"""Storages: memory, which is the reference, and SQL."""
