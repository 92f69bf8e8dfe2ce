"""The probability density of galaxy images, learnt with normalizing flows."""
