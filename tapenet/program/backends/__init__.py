"""From a program to a Python function that runs it, by NumPy or by machine code; and to the text of one in C."""
