"""Instructions that are computed together become one step: regions, stretches, closed products, reductions, panels."""
