"""A Triton kernel and a solve for CUDA graphs, neither of which has been tested on a GPU."""
