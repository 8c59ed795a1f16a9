-- Raises when this transaction wrote catalog rows of a schema that is not the tenant's. Subtransactions are not looked
-- into, and neither are rows of tables: this finds what a migration defines, not what it stores.
DO $migrate$
DECLARE
    mine xid := pg_current_xact_id()::xid;
    outside text;
BEGIN
    SELECT string_agg(DISTINCT what, ', ' ORDER BY what) INTO outside
    FROM (
        SELECT 'relation ' || c.oid::regclass AS what, c.relnamespace AS namespace
        FROM pg_class c
        WHERE c.xmin = mine
            -- A foreign key marks the table that it refers to as having triggers.
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = c.oid AND k.xmin = mine)
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure, p.pronamespace FROM pg_proc p WHERE p.xmin = mine
        UNION ALL
        SELECT 'type ' || t.oid::regtype, t.typnamespace FROM pg_type t WHERE t.xmin = mine
        UNION ALL
        SELECT 'constraint ' || k.conname, k.connamespace FROM pg_constraint k WHERE k.xmin = mine
        UNION ALL
        SELECT 'schema ' || n.nspname, n.oid FROM pg_namespace n WHERE n.xmin = mine
    ) AS written
    JOIN pg_namespace n ON n.oid = written.namespace
    WHERE n.nspname <> ALL (%allowed%::name[]) AND n.nspname !~ '^pg_(toast|temp)';

    IF outside IS NOT NULL THEN
        RAISE EXCEPTION 'the migrations changed what is not the tenant''s: %', outside
            USING ERRCODE = '%code%',
                  HINT = 'leave the schema out of what they put together, or say `-- migrate: allow-schema NAME` on top';
    END IF;
END
$migrate$
