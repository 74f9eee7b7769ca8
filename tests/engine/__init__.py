"""Tests of the engine through a real Valkey."""
