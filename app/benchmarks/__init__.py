"""How fast the window draws and starts, each beside bare Qt or pyqtgraph; run by ``python -m ptycho_engine bench``."""
