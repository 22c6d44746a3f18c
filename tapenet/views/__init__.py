"""Views of a tape: a listing, a summary, a table of times, a picture."""
