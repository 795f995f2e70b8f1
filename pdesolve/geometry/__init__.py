"""Domains, their boundary pieces and places on them."""
