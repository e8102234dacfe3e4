"""Code that no GPU has confirmed: a Triton kernel and a solve for CUDA graphs."""
