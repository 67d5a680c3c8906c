"""Use cases: each loads, decides by pure code, and saves in one transaction."""
