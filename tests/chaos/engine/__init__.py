"""Faults under the engine alone: real processes, a real Valkey, a network that fails on demand."""
