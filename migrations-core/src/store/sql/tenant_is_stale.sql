NOT (
        (SELECT oid FROM pg_namespace WHERE nspname = %schema%) IS NOT DISTINCT FROM %oid%
        AND EXISTS (SELECT FROM %tenants% WHERE schema_name = %schema% AND digest IS NOT DISTINCT FROM %digest%)
    )
