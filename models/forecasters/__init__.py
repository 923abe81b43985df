"""One forecaster, network or baseline, a file."""
