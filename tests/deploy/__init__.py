"""Tests of the deploying half."""
