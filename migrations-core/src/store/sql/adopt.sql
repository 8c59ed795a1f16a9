INSERT INTO %tenants% (schema_name, version)
SELECT nspname, %version% FROM pg_namespace WHERE nspname = %schema%
ON CONFLICT DO NOTHING
