"""How fast the engine is on this machine, each part beside a plain reference and the limit of the machine."""
