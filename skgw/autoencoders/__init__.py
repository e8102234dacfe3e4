"""Autoencoders: their objective, and a distribution of codes to sample from."""
