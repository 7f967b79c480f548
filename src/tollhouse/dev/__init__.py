"""`tollhouse dev`: everything in one process, with nothing to configure."""
