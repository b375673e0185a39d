"""The playground: prompts to a model of any run, or to two beside each other."""
