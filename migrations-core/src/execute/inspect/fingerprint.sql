-- The state outside a tenant, as one row with a hash for every catalog row: the schemas that are not tenants', the
-- objects of the database itself, the number of registry rows written so far, the session's settings.
--
-- The query starts from the schemas and follows their dependencies, so its cost depends on what is outside, and not on
-- the number of tenants. It leaves out what a tenant's foreign key to a shared table changes there (`relhastriggers`,
-- its triggers).
WITH outside AS MATERIALIZED (
    SELECT n.oid
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> ALL (%allowed%::name[])
        AND NOT EXISTS (SELECT FROM %tenants% t WHERE t.schema_name = n.nspname)
),
members AS MATERIALIZED (
    -- Arrays, so that the planner expects few rows and uses indexes.
    SELECT DISTINCT d.classid, d.objid
    FROM pg_depend d
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = ANY (ARRAY(SELECT oid FROM outside))
        -- The members of an extension are created and dropped with it.
        AND NOT (%database% AND EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'
        ))
),
relations AS MATERIALIZED (
    SELECT m.objid AS oid FROM members m WHERE m.classid = 'pg_class'::regclass
    UNION
    SELECT i.indexrelid
    FROM pg_index i
    WHERE i.indrelid = ANY (ARRAY(SELECT m.objid FROM members m WHERE m.classid = 'pg_class'::regclass))
    UNION
    SELECT t.typrelid
    FROM pg_type t
    WHERE t.oid = ANY (ARRAY(SELECT m.objid FROM members m WHERE m.classid = 'pg_type'::regclass)) AND t.typtype = 'c'
),
objects AS MATERIALIZED (
    SELECT 'pg_namespace'::regclass AS classid, n.oid AS objid, 0 AS objsubid, n::text AS content
    FROM outside o JOIN pg_namespace n ON n.oid = o.oid
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, 0, ROW (
        c.relname, c.relnamespace, c.reloftype, c.relowner, c.relam, c.relfilenode, c.reltablespace, c.relpersistence,
        c.relkind, c.relnatts, c.relchecks, c.relhasrules, c.relrowsecurity, c.relforcerowsecurity, c.relispopulated,
        c.relreplident, c.relispartition, c.relacl, c.reloptions, c.relpartbound
    )::text
    FROM pg_class c WHERE c.oid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, a.attrelid, a.attnum::int4, a::text
    FROM pg_attribute a WHERE a.attrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_attrdef'::regclass, d.oid, 0, d::text
    FROM pg_attrdef d WHERE d.adrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid, 0, i::text
    FROM pg_index i WHERE i.indexrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, 0, k::text
    FROM pg_constraint k WHERE k.conrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, 0, k::text
    FROM members m JOIN pg_constraint k ON k.contypid = m.objid
    WHERE m.classid = 'pg_type'::regclass
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, 0, t::text
    FROM pg_trigger t WHERE t.tgrelid = ANY (ARRAY(SELECT oid FROM relations))
        AND (NOT t.tgisinternal OR t.tgconstrrelid IN (SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid, 0, p::text
    FROM pg_policy p WHERE p.polrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_rewrite'::regclass, w.oid, 0, w::text
    FROM pg_rewrite w WHERE w.ev_class = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, i.inhparent, 0, i::text
    FROM pg_inherits i WHERE i.inhparent = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, i.inhrelid, 0, i::text
    FROM pg_inherits i WHERE i.inhrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, p.partrelid, 0, p::text
    FROM pg_partitioned_table p WHERE p.partrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, s.seqrelid, 0, s::text
    FROM pg_sequence s WHERE s.seqrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, s.oid, 0, ROW (s.stxname, s.stxrelid, s.stxnamespace, s.stxowner, s.stxkeys)::text
    FROM pg_statistic_ext s WHERE s.stxrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_publication_rel'::regclass, p.oid, 0, p::text
    FROM pg_publication_rel p WHERE p.prrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT 'pg_class'::regclass, f.ftrelid, 0, f::text
    FROM pg_foreign_table f WHERE f.ftrelid = ANY (ARRAY(SELECT oid FROM relations))
    UNION ALL
    SELECT m.classid, t.oid, 0, t::text
    FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    UNION ALL
    SELECT m.classid, e.enumtypid, 0, e::text
    FROM members m JOIN pg_enum e ON m.classid = 'pg_type'::regclass AND e.enumtypid = m.objid
    UNION ALL
    SELECT m.classid, r.rngtypid, 0, r::text
    FROM members m JOIN pg_range r ON m.classid = 'pg_type'::regclass AND r.rngtypid = m.objid
    UNION ALL
    SELECT m.classid, p.oid, 0, p::text
    FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    UNION ALL
    SELECT m.classid, a.aggfnoid, 0, a::text
    FROM members m JOIN pg_aggregate a ON m.classid = 'pg_proc'::regclass AND a.aggfnoid = m.objid
    UNION ALL
    SELECT m.classid, o.oid, 0, o::text
    FROM members m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
    UNION ALL
    SELECT m.classid, o.oid, 0, o::text
    FROM members m JOIN pg_opclass o ON m.classid = 'pg_opclass'::regclass AND o.oid = m.objid
    UNION ALL
    SELECT m.classid, o.oid, 0, o::text
    FROM members m JOIN pg_opfamily o ON m.classid = 'pg_opfamily'::regclass AND o.oid = m.objid
    UNION ALL
    SELECT m.classid, a.amopfamily, 0, a::text
    FROM members m JOIN pg_amop a ON m.classid = 'pg_opfamily'::regclass AND a.amopfamily = m.objid
    UNION ALL
    SELECT m.classid, a.amprocfamily, 0, a::text
    FROM members m JOIN pg_amproc a ON m.classid = 'pg_opfamily'::regclass AND a.amprocfamily = m.objid
    UNION ALL
    SELECT m.classid, c.oid, 0, c::text
    FROM members m JOIN pg_collation c ON m.classid = 'pg_collation'::regclass AND c.oid = m.objid
    UNION ALL
    SELECT m.classid, c.oid, 0, c::text
    FROM members m JOIN pg_conversion c ON m.classid = 'pg_conversion'::regclass AND c.oid = m.objid
    UNION ALL
    SELECT m.classid, c.oid, 0, c::text
    FROM members m JOIN pg_ts_config c ON m.classid = 'pg_ts_config'::regclass AND c.oid = m.objid
    UNION ALL
    SELECT m.classid, c.mapcfg, 0, c::text
    FROM members m JOIN pg_ts_config_map c ON m.classid = 'pg_ts_config'::regclass AND c.mapcfg = m.objid
    UNION ALL
    SELECT m.classid, d.oid, 0, d::text
    FROM members m JOIN pg_ts_dict d ON m.classid = 'pg_ts_dict'::regclass AND d.oid = m.objid
    UNION ALL
    SELECT m.classid, p.oid, 0, p::text
    FROM members m JOIN pg_ts_parser p ON m.classid = 'pg_ts_parser'::regclass AND p.oid = m.objid
    UNION ALL
    SELECT m.classid, t.oid, 0, t::text
    FROM members m JOIN pg_ts_template t ON m.classid = 'pg_ts_template'::regclass AND t.oid = m.objid
    UNION ALL
    SELECT 'pg_default_acl'::regclass, a.oid, 0, a::text
    FROM pg_default_acl a
    WHERE a.defaclnamespace IN (SELECT oid FROM outside) OR (a.defaclnamespace = 0 AND NOT %database%)
    UNION ALL
    -- From here on, objects that belong to no schema.
    SELECT 'pg_extension'::regclass, e.oid, 0, e::text FROM pg_extension e WHERE NOT %database%
    UNION ALL
    -- A tenant's own types may have casts and transforms.
    SELECT 'pg_cast'::regclass, c.oid, 0, c::text
    FROM pg_cast c
    WHERE NOT %database% AND c.oid >= 16384 AND NOT EXISTS (
        SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid IN (c.castsource, c.casttarget) AND n.nspname <> 'pg_catalog' AND n.oid NOT IN (SELECT oid FROM outside)
    )
    UNION ALL
    SELECT 'pg_language'::regclass, l.oid, 0, l::text FROM pg_language l WHERE NOT %database%
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, t.oid, 0, t::text FROM pg_event_trigger t WHERE NOT %database%
    UNION ALL
    SELECT 'pg_publication'::regclass, p.oid, 0, p::text FROM pg_publication p WHERE NOT %database%
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, f.oid, 0, f::text FROM pg_foreign_data_wrapper f WHERE NOT %database%
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, s.oid, 0, s::text FROM pg_foreign_server s WHERE NOT %database%
    UNION ALL
    SELECT 'pg_am'::regclass, a.oid, 0, a::text FROM pg_am a WHERE NOT %database%
    UNION ALL
    SELECT 'pg_transform'::regclass, r.oid, 0, r::text
    FROM pg_transform r
    WHERE NOT %database% AND NOT EXISTS (
        SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid = r.trftype AND n.nspname <> 'pg_catalog' AND n.oid NOT IN (SELECT oid FROM outside)
    )
    UNION ALL
    SELECT 'pg_database'::regclass, d.oid, 0,
        ROW (d.datname, d.datdba, d.encoding, d.datistemplate, d.datallowconn, d.datconnlimit, d.dattablespace, d.datacl)::text
    FROM pg_database d WHERE NOT %database% AND d.datname = current_database()
    UNION ALL
    SELECT 'pg_database'::regclass, s.setdatabase, 0, s::text
    FROM pg_db_role_setting s
    WHERE NOT %database% AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
),
comments AS (
    SELECT o.classid, o.objid, d.objsubid, d::text AS content
    FROM (SELECT DISTINCT classid, objid FROM objects) o
    JOIN pg_description d ON d.classoid = o.classid AND d.objoid = o.objid
    UNION ALL
    SELECT o.classid, o.objid, l.objsubid, l::text
    FROM (SELECT DISTINCT classid, objid FROM objects) o
    JOIN pg_seclabel l ON l.classoid = o.classid AND l.objoid = o.objid
)
SELECT classid::oid::int8, objid::int8, objsubid, NULL AS name,
    -- An object may have several rows, in any order.
    sum(hashtextextended(content, 0)::numeric)::text AS content
FROM (SELECT * FROM objects UNION ALL SELECT * FROM comments) AS found
GROUP BY classid, objid, objsubid
UNION ALL
-- A tenant may create roles of its own; existing roles must not change.
SELECT 'pg_authid'::regclass::oid::int8, r.oid::int8, -1, NULL, r::text FROM pg_roles r WHERE NOT %database%
UNION ALL
SELECT NULL, NULL, 0, format('membership of %s in %s', m.member::regrole, m.roleid::regrole), m::text
FROM pg_auth_members m
WHERE NOT %database% AND m.roleid::int8 <= %newest% AND m.member::int8 <= %newest%
UNION ALL
SELECT d.classoid::int8, d.objoid::int8, -2, NULL, d.description
FROM pg_shdescription d
WHERE NOT %database% AND d.objoid::int8 <= %newest%
    AND (d.classoid = 'pg_authid'::regclass OR d.objoid = (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL
SELECT NULL, NULL, 0, 'rows of ' || c.oid::regclass,
    ROW (
        pg_stat_get_xact_tuples_inserted(c.oid), pg_stat_get_xact_tuples_updated(c.oid),
        pg_stat_get_xact_tuples_deleted(c.oid)
    )::text
FROM pg_class c
WHERE c.oid = ANY (ARRAY[%registry%]::regclass[])
UNION ALL
SELECT NULL, NULL, -1, 'setting ' || s.name, s.setting FROM pg_settings s
UNION ALL
SELECT NULL, NULL, 0, 'the role', ROW (current_user, session_user)::text
