"""The estimators, a file each; found by :data:`causalmod.information.protocol.ESTIMATORS`."""
