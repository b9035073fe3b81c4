"""Demo bundle, icons and help pages shipped with the app."""
