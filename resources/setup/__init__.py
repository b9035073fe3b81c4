"""What the Makefile runs to make a fresh machine ready."""
