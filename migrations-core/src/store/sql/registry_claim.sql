SELECT s.version, s.digest, s.schema_oid, n.oid
FROM pg_namespace n LEFT JOIN %sets% s ON s.name = 'registry' AND s.schema_name = n.nspname
WHERE n.nspname = $1::text::name
