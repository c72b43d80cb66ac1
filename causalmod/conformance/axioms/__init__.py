"""The axioms, a file each."""
