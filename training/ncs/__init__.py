"""What the compiler for Movidius sticks makes of a file: known without a stick."""
