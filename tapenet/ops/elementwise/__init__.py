"""One number from one or a few, element by element."""
