"""Benchmarks: how fast the library is, as ratios to what cannot be avoided and to its peers."""
