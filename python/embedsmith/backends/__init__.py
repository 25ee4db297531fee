"""embedsmith.backends."""
