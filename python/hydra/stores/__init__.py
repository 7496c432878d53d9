"""The databases hydra runs on. `open_store(url)` picks one by the URL's scheme."""
