"""Networks from diffraction patterns to complex patches, their losses and their registry."""
