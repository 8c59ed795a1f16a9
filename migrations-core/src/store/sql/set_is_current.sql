EXISTS (
        SELECT FROM %sets% WHERE name = %name% AND digest = %digest%
            AND schema_oid = (SELECT oid FROM pg_namespace WHERE nspname = %schema%)
    )
