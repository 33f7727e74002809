"""The suite: plain pytest functions by area, which know the deployment by HTTP alone."""
