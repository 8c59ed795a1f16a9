-- Objects that a migration may drop without a directive: its own schema with everything that depends on it; the members
-- of the schemas that it may change, with their parts; and, if that is allowed, objects that belong to no schema.
-- Objects that depend on a member of one of those belong to somebody else.
WITH RECURSIVE own (classid, objid) AS (
    SELECT 'pg_namespace'::regclass::oid, oid FROM pg_namespace WHERE nspname = %own%
    UNION
    SELECT d.classid, d.objid FROM own o JOIN pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid
),
allowed (classid, objid) AS (
    SELECT * FROM (
        SELECT 'pg_namespace'::regclass::oid, oid FROM pg_namespace WHERE nspname = ANY (%allowed%::name[])
        UNION ALL
        SELECT d.classid, d.objid
        FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid
        WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = ANY (%allowed%::name[])
        UNION ALL
        SELECT 'pg_extension'::regclass, oid FROM pg_extension WHERE %database%
        UNION ALL
        SELECT d.classid, d.objid FROM pg_depend d WHERE %database% AND d.deptype = 'e'
        UNION ALL
        SELECT 'pg_publication'::regclass, oid FROM pg_publication WHERE %database%
        UNION ALL
        SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger WHERE %database%
        UNION ALL
        SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper WHERE %database%
        UNION ALL
        SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server WHERE %database%
        UNION ALL
        SELECT 'pg_language'::regclass, oid FROM pg_language WHERE %database%
        UNION ALL
        SELECT 'pg_am'::regclass, oid FROM pg_am WHERE %database%
        UNION ALL
        SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE %database%
        UNION ALL
        SELECT 'pg_transform'::regclass, oid FROM pg_transform WHERE %database%
    ) AS roots
    UNION
    -- Indexes, toast tables, sequences, constraints, triggers: parts that are dropped with the whole.
    SELECT d.classid, d.objid
    FROM allowed a JOIN pg_depend d ON d.refclassid = a.classid AND d.refobjid = a.objid
    WHERE d.deptype IN ('a', 'i', 'P', 'S')
)
SELECT classid::int8, objid::int8 FROM own
UNION
SELECT classid::int8, objid::int8
FROM allowed
-- A constraint or a trigger of another tenant's table can be a part of an object here.
WHERE NOT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN %tenants% t ON t.schema_name = n.nspname
    WHERE classid = 'pg_class'::regclass AND c.oid = objid
)
