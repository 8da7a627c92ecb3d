"""Networks as plain named modules, so that pruning can find what must be cut together."""
