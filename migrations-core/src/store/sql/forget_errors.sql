UPDATE %tenants% t SET last_error = NULL
FROM pg_namespace n
WHERE last_error IS NOT NULL AND digest = $1 AND n.nspname = schema_name AND n.oid = schema_oid
