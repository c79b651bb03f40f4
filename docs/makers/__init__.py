"""What the documentation takes from the package itself: pages of commands, components, methods, tables and studies."""
