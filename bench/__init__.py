"""Benchmarks: how many times faster the library is than the plain way of doing the same."""
