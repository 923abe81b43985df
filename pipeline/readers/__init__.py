"""One recording format a file."""
