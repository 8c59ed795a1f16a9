DO $migrate$
DECLARE
    pinned record;
BEGIN
    FOR pinned IN
        SELECT p.oid::regprocedure AS routine, split_part(setting, '=', 1) AS name,
            replace(substr(setting, strpos(setting, '=') + 1), %old%, quote_ident(%new%)) AS value
        FROM pg_depend d
        JOIN pg_proc p ON p.oid = d.objid
        CROSS JOIN LATERAL unnest(p.proconfig) AS setting
        WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %regnamespace%::regnamespace
            AND d.classid = 'pg_proc'::regclass AND strpos(setting, %old%) > 0
    LOOP
        EXECUTE format('ALTER ROUTINE %s SET %I TO %s', pinned.routine, pinned.name, pinned.value);
    END LOOP;
END
$migrate$
