"""Checks of recording and walks, and the errors and advice that they give."""
