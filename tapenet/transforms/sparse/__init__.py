"""Sparse Jacobians and Hessians: patterns from the tape, colourings, and walks that carry all colours at once."""
