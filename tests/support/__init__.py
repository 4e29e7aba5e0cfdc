"""Real parts that tests start: launchers and the fixtures that use them."""
