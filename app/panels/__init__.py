"""The dock panels, one file each."""
