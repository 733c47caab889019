"""The ground floor's pages, by what they are about."""
