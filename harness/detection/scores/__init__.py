"""What the two scores are: options, a slow reference, chunk level, copying heads. Arrays in, arrays out."""
