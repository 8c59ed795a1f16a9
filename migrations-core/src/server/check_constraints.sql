DO $migrate$
DECLARE
    to_check text;
    to_defer text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT name, ', '),
        pg_catalog.string_agg(DISTINCT name, ', ') FILTER (WHERE condeferred AND NOT is_ambiguous)
    INTO to_check, to_defer
    FROM (
        SELECT pg_catalog.format('%I.%I', %schema%, k.conname) AS name, k.condeferred,
            -- Another constraint of that name is checked at once, and would be meant too.
            EXISTS (
                SELECT FROM pg_catalog.pg_constraint other
                WHERE other.conname OPERATOR(pg_catalog.=) k.conname
                    AND other.connamespace OPERATOR(pg_catalog.=) k.connamespace AND NOT other.condeferred
            ) AS is_ambiguous
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_constraint k ON k.conrelid OPERATOR(pg_catalog.=) d.objid
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
            AND d.refobjid OPERATOR(pg_catalog.=) %regnamespace%::pg_catalog.regnamespace
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND k.condeferrable
    ) AS constraints;
    IF to_check IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || to_check || ' IMMEDIATE';
    END IF;
    IF to_defer IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || to_defer || ' DEFERRED';
    END IF;
END
$migrate$
