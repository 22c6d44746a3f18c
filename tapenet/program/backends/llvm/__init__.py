"""Machine code for the steps of a program: its text in LLVM's intermediate representation, and what calls it."""
