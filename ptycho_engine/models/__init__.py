"""Network architectures and losses."""
