"""What the calendar shows and moves, apart from its routes."""
