"""What several studies share: test material, error measures, and the frame around a study."""
