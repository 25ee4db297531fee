"""embedsmith.reports."""
