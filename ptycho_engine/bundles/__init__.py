"""Reading and writing model bundles and checkpoints without running what they carry."""
