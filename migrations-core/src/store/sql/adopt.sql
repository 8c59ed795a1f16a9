INSERT INTO %tenants% (schema_name, tenant_name, version)
SELECT nspname, %known_as%, %version% FROM pg_namespace WHERE nspname = %schema%
ON CONFLICT DO NOTHING
