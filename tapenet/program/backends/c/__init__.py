"""The parts of a program in C."""
