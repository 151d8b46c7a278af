"""What a detection run says: six panels, the controls, and responses with their tokens marked."""
