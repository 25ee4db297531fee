"""embedsmith.search."""
