"""Networks and losses: autoencoder, behaviour embedding, denoisers; no simulator."""
