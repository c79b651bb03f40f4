"""One run from its opening to its student: the trial, its checkpoint, its evaluation, its export.

The seam between the core, which knows no trials, and the towers, which know no tensors.
"""
