"""embedsmith.metrics."""
