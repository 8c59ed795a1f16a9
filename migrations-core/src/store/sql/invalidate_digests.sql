WITH shared AS (UPDATE %sets% SET digest = NULL WHERE name = 'shared')
UPDATE %tenants% SET digest = NULL
WHERE digest IS NOT NULL AND ($1 = '{}' OR id IN (SELECT t.id FROM %members% WHERE t.known_as = ANY ($1)))
