-- Objects that are gone while this transaction holds the lock that dropping takes. A deleted catalog row can no longer
-- be seen, but its lock can.
SELECT DISTINCT l.classid::int8, l.objid::int8
FROM (
    SELECT coalesce(classid, 'pg_class'::regclass) AS classid, coalesce(objid, relation) AS objid
    FROM pg_locks
    WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND locktype IN ('relation', 'object')
        AND database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
) AS l
WHERE pg_describe_object(l.classid, l.objid, 0) IS NULL
    OR l.classid = 'pg_class'::regclass AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.objid)
