"""The commands of `minimind`, a module each. They import what they need when they run, so that help stays quick."""
