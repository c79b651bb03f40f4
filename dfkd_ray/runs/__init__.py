"""One run from its opening to its student: the trial, its checkpoint, its evaluation, its export. The seam between the core and the towers."""
