"""Reports: what people read of a results document. They read that document and nothing else."""
