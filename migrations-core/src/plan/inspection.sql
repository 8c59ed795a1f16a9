-- Raises if this transaction wrote rows of another schema's tables, or defined something in another tenant's schema.
--
-- `fingerprint.sql` compares what lies outside all tenants; reading all tenants that way would take too long.
--
-- A row is ours if its xmin is this transaction's id, or that of one of its subtransactions: a later id whose
-- transaction is still in progress, although the row is visible. The id must not be much later: an old row can look
-- like that after ids wrap around.
-- The transaction's own locks lead to the tables that it wrote to and to their constraints and triggers, so that only the
-- smaller catalogs are read from end to end.
DO $migrate$
DECLARE
    mine int8 := pg_current_xact_id()::text;
    our_age int4 := age(pg_current_xact_id()::xid);
    outside text;
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT relation AS oid, bool_or(mode = 'RowExclusiveLock') AS is_written,
            -- `ANALYZE` of all tables takes the weaker one.
            bool_or(mode NOT IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock')) AS is_altered
        FROM pg_locks
        WHERE locktype = 'relation' AND pid = pg_backend_pid() AND mode NOT IN ('AccessShareLock', 'RowShareLock')
            AND database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        GROUP BY relation
    ),
    constraints AS MATERIALIZED (
        SELECT k.conname, k.connamespace, k.confrelid
        FROM pg_constraint k
        WHERE k.conrelid = ANY (ARRAY(SELECT oid FROM locked) || 0::oid) AND %ours%
    )
    SELECT string_agg(DISTINCT what, ', ' ORDER BY what) INTO outside
    FROM (
        SELECT 'relation ' || c.oid::regclass AS what, c.relnamespace AS namespace
        FROM pg_class c
        -- A foreign key marks the table that it references as having triggers.
        WHERE %ours% AND c.oid NOT IN (SELECT confrelid FROM constraints)
        UNION ALL
        -- Nothing of another tenant can be altered without such a lock, except what the queries below look for.
        SELECT 'relation ' || c.oid::regclass, c.relnamespace
        FROM locked l JOIN pg_class c ON c.oid = l.oid
        WHERE (l.is_altered OR c.relkind = 'S') AND c.relnamespace >= 16384
        UNION ALL
        SELECT 'type ' || t.oid::regtype, t.typnamespace
        FROM pg_type t WHERE t.oid IN (SELECT e.enumtypid FROM pg_enum e WHERE %ours%)
        UNION ALL
        SELECT 'policy ' || p.polname, c.relnamespace
        FROM (SELECT polname, polrelid FROM pg_policy WHERE %ours%) AS p JOIN pg_class c ON c.oid = p.polrelid
        UNION ALL
        SELECT 'statistics ' || stxname, stxnamespace FROM pg_statistic_ext WHERE %ours%
        UNION ALL
        SELECT 'collation ' || collname, collnamespace FROM pg_collation WHERE %ours%
        UNION ALL
        SELECT 'operator ' || oprname, oprnamespace FROM pg_operator WHERE %ours%
        UNION ALL
        SELECT 'default privileges', defaclnamespace FROM pg_default_acl WHERE %ours%
        UNION ALL
        SELECT 'rows of ' || c.oid::regclass, c.relnamespace
        FROM locked l JOIN pg_class c ON c.oid = l.oid
        WHERE l.is_written AND c.relkind IN ('r', 'p', 'f') AND c.relnamespace <> 'pg_catalog'::regnamespace
            -- The lock is taken even for a function that is only defined.
            AND (
                pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
                    + pg_stat_get_xact_tuples_deleted(c.oid) > 0
                OR NOT current_setting('track_counts')::bool
            )
            -- This transaction may have registered the tenant.
            AND c.oid <> %tenants_name%::regclass
        UNION ALL
        SELECT 'trigger ' || t.tgname, (SELECT c.relnamespace FROM pg_class c WHERE c.oid = t.tgrelid)
        FROM pg_trigger t
        WHERE t.tgrelid = ANY (ARRAY(SELECT oid FROM locked)) AND %ours% AND NOT t.tgisinternal
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure, p.pronamespace FROM pg_proc p WHERE %ours%
        UNION ALL
        SELECT 'type ' || t.oid::regtype, t.typnamespace FROM pg_type t WHERE %ours%
        UNION ALL
        SELECT 'constraint ' || conname, connamespace FROM constraints
        UNION ALL
        SELECT 'schema ' || n.nspname, n.oid FROM pg_namespace n WHERE %ours%
    ) AS written
    JOIN pg_namespace n ON n.oid = written.namespace
    WHERE n.nspname <> ALL (%allowed%::name[]) AND n.nspname !~ '^pg_(toast|temp)'
        AND (
            what LIKE 'rows of %' OR n.nspname IN ('pg_catalog', 'information_schema')
            OR EXISTS (SELECT FROM %tenants% t WHERE t.schema_name = n.nspname)
        );

    IF outside IS NOT NULL THEN
        RAISE EXCEPTION 'the migrations changed objects outside the tenant: %', outside
            USING ERRCODE = '%code%',
                  HINT = 'leave the schema out of the SQL that they build; if the change is intended, say `-- migrate: allow-schema NAME` on top, or MigrationSet::allow_schema in code for a file that is applied already';
    END IF;
END
$migrate$
