"""One module per system: its worker and its sender, in its best configuration.

What is here runs under the Python of the system it measures, so it imports nothing of the other
systems and, but for ours, nothing of this project. `host` runs a module as a process.
"""
