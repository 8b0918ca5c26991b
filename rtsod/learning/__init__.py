"""A network of one's own: recorded, labelled by a teacher, corrected by the empty room, trained, measured and saved."""
