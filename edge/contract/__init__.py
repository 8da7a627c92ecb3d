"""What both halves must agree on: bundle, signature, SSD decoding, detections, messages.

Standard library and NumPy only; `cryptography` in `signature` alone.
"""
