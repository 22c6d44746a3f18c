"""The formula sheet: each operation with its derivative, by family."""
