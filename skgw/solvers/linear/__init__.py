"""Entropic linear transport: semi-dual Newton steps, balanced and unbalanced, in blocks of rows."""
