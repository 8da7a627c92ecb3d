"""Labels of heads made from a door's own recording, without a hand on it."""
