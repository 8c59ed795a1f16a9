SELECT t.version, t.digest, t.schema_oid, n.oid
FROM %tenants% t LEFT JOIN pg_namespace n ON n.nspname = t.schema_name
WHERE t.schema_name = $1::text::name
