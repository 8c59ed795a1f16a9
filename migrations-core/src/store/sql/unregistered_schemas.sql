SELECT n.nspname::text
FROM pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> ALL ($1::text[]::name[])
    AND NOT EXISTS (SELECT FROM %tenants% t WHERE t.schema_name = n.nspname)
    -- The schema of an extension is created and dropped with it.
    AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
    )
ORDER BY 1
