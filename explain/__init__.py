"""Why: what a cluster looks like and what made a window belong to it."""
