"""Run folders, and all that is done with them without torch: reading, simple classifiers, evaluation."""
