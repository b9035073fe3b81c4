"""A new user's first hour, played in a real window with real mouse and keyboard events: ``make walk``."""
