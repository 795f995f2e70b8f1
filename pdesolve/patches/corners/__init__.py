"""Singular functions at corners: where they are, which exponents they have, and how they enter the rows."""
