SELECT t.id FROM %members% WHERE t.known_as = $1 FOR UPDATE OF t
