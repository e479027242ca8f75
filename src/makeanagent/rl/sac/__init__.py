"""Population SAC: many agents trained at once, their networks stacked into one matrix product."""
