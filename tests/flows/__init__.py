"""The three example workflows with small inputs, and what the outside saw of each: for every test that breaks them."""
