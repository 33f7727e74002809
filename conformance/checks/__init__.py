"""The suite: plain pytest functions, one module per area, which know the deployment by HTTP alone."""
