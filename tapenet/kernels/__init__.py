"""The numerical kernels that NumPy does not have, on plain arrays; each module says which.

One function per kernel: arrays are positional, geometry is keyword-only and hashable, so that another array
type or a compiled backend can take the place of any of them. No kernel uses tapes. Nothing is imported
here either: `import tapenet` loads the kernels that it needs.
"""
