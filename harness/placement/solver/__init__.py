"""Integer programs and HiGHS, which solves them."""
