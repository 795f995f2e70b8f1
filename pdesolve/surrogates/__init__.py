"""Surrogates: a problem solved for a whole box of its constants at once, with an error estimate at each."""
