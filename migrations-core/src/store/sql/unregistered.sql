SELECT n.nspname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $1::text::name AND c.relkind IN ('r', 'p') AND n.nspname <> ALL ($2::text[]::name[])
    AND NOT EXISTS (SELECT FROM %tenants% t WHERE t.schema_name = n.nspname)
ORDER BY 1
