"""What a training is made of, from its plain configuration."""
