"""What particular frameworks need in workers. Nothing of it is imported unless an app asks for it."""
