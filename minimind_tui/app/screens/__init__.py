"""The screens, one a module or folder."""
