"""Weighted operations, a kind in each file."""
