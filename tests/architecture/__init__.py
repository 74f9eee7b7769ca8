"""What the architecture test checks, from the syntax tree alone: no code of ours is run."""
