"""The objectives: data of a problem, its energy and its gradient; nothing is solved here."""
