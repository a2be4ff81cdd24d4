"""What starting weights are worth for a dataset: the same trainings from each of them and from scratch, with few and with many labels."""
