NOT (
        (SELECT oid FROM pg_namespace WHERE nspname = %schema%) IS NOT DISTINCT FROM %oid%
        AND (SELECT digest FROM %sets% WHERE name = %name% AND schema_name = %schema%) IS NOT DISTINCT FROM %digest%
    )
