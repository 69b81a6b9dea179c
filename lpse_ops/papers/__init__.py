"""What is read afterwards, by people and by programs: views of a journal, and nothing else."""
