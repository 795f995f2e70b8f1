"""Methods that train all parameters of an approximator: gmnm-trained, pinn, kan, network."""
