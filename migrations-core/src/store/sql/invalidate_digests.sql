WITH shared AS (UPDATE %sets% SET digest = NULL WHERE name = 'shared')
UPDATE %tenants% SET digest = NULL
WHERE digest IS NOT NULL AND ($1 = '{}' OR schema_name = ANY ($1::name[]))
