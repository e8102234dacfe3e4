"""The quadratic problem: successive linearisation, its variants, and how results are packaged."""
