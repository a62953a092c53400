"""The sandbox: one bubblewrap a core, in it a warm process (the zygote) that forks a confined child a submission."""
