"""Pages of what happened and how things stand, by what they are about."""
