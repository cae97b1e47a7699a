"""How far the platform goes on more than one worker: measured here, and computed for a billion rows."""
