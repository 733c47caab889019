"""Prism Element clusters."""
