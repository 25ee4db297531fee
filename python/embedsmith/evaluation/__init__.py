"""embedsmith.evaluation."""
