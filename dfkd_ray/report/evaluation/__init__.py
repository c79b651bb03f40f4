"""The page of an evaluation: what its two tables say in words, charts and pictures; `report.build` writes it."""
