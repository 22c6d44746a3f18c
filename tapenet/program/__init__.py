"""`compile`: a function of arrays becomes a program, a list of instructions that is optimized and run again."""
