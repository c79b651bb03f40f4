"""How a method is run: the algorithm box, the state of a run, its device and precision."""
