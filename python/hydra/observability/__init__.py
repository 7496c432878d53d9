"""What a person or a monitoring system sees of hydra."""
