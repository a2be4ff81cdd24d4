"""Who trains and who tests: splits by place and by group, and shares of the labels."""
