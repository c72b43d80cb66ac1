"""The search algorithms, a file each; found by :data:`causalmod.search.protocol.ALGORITHMS`."""
