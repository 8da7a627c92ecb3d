"""Plans of what to cut, the reasons, and the surgeon; fitting and measuring stay outside."""
