"""embedsmith.datasets."""
