-- Sessions with locks on tables of a schema or of the shared schema, the oldest transaction first.
SELECT a.pid, a.application_name, a.usename::text, coalesce(a.state, ''), left(a.query, 200),
       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000::numeric)::int8
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND a.usename IS NOT NULL
    AND a.pid IN (
        SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND c.relnamespace IN (to_regnamespace(quote_ident($1))::oid, to_regnamespace(quote_ident($2))::oid)
            AND c.relkind IN ('r', 'p', 'm', 'S')
    )
ORDER BY a.xact_start LIMIT 5
