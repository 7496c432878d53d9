"""How values, exceptions and calls of user code become plain data and come back: what `hydra.codec` is made of."""
