"""What a layer, and a net, costs on a device: measured on a CPU, reckoned for the stick."""
