"""The exact method: fronts, the cheapest token, its proof, limits and links."""
