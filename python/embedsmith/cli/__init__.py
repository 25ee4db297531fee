"""embedsmith.cli."""
