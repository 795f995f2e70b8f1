"""Solutions: call them, differentiate, measure and save them."""
