"""Episodes: who acts, how they are played, scored, recorded and filmed."""
