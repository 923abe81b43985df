"""From radio, recording or socket to windows and histories; no learning here."""
