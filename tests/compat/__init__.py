"""What arq documents holds for our Worker: its clients, workers, settings and commands."""
