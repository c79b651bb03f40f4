"""Sweeps: who proposes, who runs, who records."""
