"""From canonical values to the signatures that encodings pick bits of."""
