"""Calls: attempts, records and what settling one does."""
