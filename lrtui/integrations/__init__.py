"""A Monitor as a callback of other frameworks; each is imported where it is used."""
