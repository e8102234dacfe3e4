"""Spaces whose matrix of relations is never formed."""
