"""What a program holds: the engine and its handles, and what they read and submit."""
