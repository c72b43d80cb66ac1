"""The ways to make interventions, one a file: naive hooks, other libraries, and causalmod."""
