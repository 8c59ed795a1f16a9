SELECT EXISTS (
        SELECT FROM pg_namespace n
        JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
        JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        WHERE n.nspname = $1::text::name AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
            AND NOT EXISTS (
                SELECT FROM pg_depend e
                WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
            )
    )
    AND NOT EXISTS (
        SELECT FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
        WHERE n.nspname = $1::text::name AND c.relname = $2::text::name
    )
