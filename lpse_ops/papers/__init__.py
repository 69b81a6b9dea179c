"""Journal and database in, papers of the office out."""
