"""What make_mini.py writes the mini data from: word lists, sentence patterns and facts, all of our own."""
