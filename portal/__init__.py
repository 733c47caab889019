"""The ground floor of Standby."""

__version__ = "0.1.0"  # as pyproject.toml has it; a test compares them
