"""Words that all other rooms use: errors, registries, YAML, files, tables, text."""
