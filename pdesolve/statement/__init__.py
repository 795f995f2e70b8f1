"""What must vanish: fields and their derivatives, conditions, problems, and residuals of jets."""
