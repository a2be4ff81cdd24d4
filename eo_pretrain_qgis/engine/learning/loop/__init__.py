"""The training loop and what it needs: plan, optimizers, checkpoints, devices, run folders."""
