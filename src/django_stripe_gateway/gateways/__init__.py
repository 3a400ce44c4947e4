"""How providers are called: plain values in, frozen results out."""
