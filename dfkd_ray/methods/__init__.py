"""What a method is: slots, YAML, fingerprint, where each value comes from; the shipped methods beside the code."""
