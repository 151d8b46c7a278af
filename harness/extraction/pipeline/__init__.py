"""Our pipeline: the next-best passages for the fields still missing, under one budget for each company."""
