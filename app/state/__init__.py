"""The state of the app: frozen values, one pure reducer, one mutable holder."""
