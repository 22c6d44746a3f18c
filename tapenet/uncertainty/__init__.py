"""Results with their errors: propagation of uncertainty through functions, and bounds on rounding errors."""
