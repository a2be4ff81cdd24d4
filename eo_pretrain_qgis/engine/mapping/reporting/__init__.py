"""The page on a map that one can hand over: what it shows, where, from what, how good it is, and what it does not show."""
