"""`compile`: calls of a function go to the programs that were recorded for their signatures."""
