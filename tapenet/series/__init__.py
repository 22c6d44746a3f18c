"""Taylor series through a tape: the walk of `tn.jet`, and the rules of each operation."""
