"""Tollhouse measured against the limits of the machine it runs on, in the same run."""
