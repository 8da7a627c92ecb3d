"""headcount, from the training host to the door: sign, push, roll back."""
