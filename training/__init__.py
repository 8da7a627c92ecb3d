"""headcount, the half that trains, prunes and exports the detector."""
