-- Everything in schema $1, one line per object or property. Definitions qualify every name outside pg_catalog.
WITH
namespace AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
relation AS (
    SELECT c.*, c.oid::regclass::text AS name FROM pg_class c JOIN namespace n ON n.oid = c.relnamespace
),
object AS (
    SELECT 'pg_class'::regclass AS class, oid FROM relation
    UNION ALL SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p, namespace n WHERE p.pronamespace = n.oid
    UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t, namespace n WHERE t.typnamespace = n.oid
    UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c, namespace n WHERE c.connamespace = n.oid
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
    UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN relation r ON r.oid = p.polrelid
    UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class
    UNION ALL SELECT 'pg_operator'::regclass, o.oid FROM pg_operator o, namespace n WHERE o.oprnamespace = n.oid
    UNION ALL SELECT 'pg_opclass'::regclass, o.oid FROM pg_opclass o, namespace n WHERE o.opcnamespace = n.oid
    UNION ALL SELECT 'pg_opfamily'::regclass, o.oid FROM pg_opfamily o, namespace n WHERE o.opfnamespace = n.oid
    UNION ALL SELECT 'pg_collation'::regclass, c.oid FROM pg_collation c, namespace n WHERE c.collnamespace = n.oid
    UNION ALL SELECT 'pg_conversion'::regclass, c.oid FROM pg_conversion c, namespace n WHERE c.connamespace = n.oid
    UNION ALL SELECT 'pg_ts_config'::regclass, c.oid FROM pg_ts_config c, namespace n WHERE c.cfgnamespace = n.oid
    UNION ALL SELECT 'pg_ts_dict'::regclass, d.oid FROM pg_ts_dict d, namespace n WHERE d.dictnamespace = n.oid
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s, namespace n WHERE s.stxnamespace = n.oid
    UNION ALL SELECT 'pg_namespace'::regclass, oid FROM namespace
),
-- TOAST tables and the triggers of foreign keys have object ids in their names.
named AS (
    SELECT o.class, o.oid, i.type || ' ' || i.identity AS name
    FROM object o, pg_identify_object(o.class, o.oid, 0) i
    WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.oid = o.oid AND o.class = 'pg_trigger'::regclass AND t.tgisinternal)
)
SELECT name FROM named
UNION ALL
SELECT 'comment on ' || named.name || ' ' || d.objsubid || ': ' || d.description
FROM named JOIN pg_description d ON d.classoid = named.class AND d.objoid = named.oid
UNION ALL
SELECT concat_ws(' ', 'relation', name, relkind, relpersistence, pg_get_userbyid(relowner), relispartition,
    relrowsecurity, relforcerowsecurity, relreplident, reloptions, pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid),
    (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a))
FROM relation
UNION ALL
SELECT concat_ws(' ', 'column', r.name, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
    a.attgenerated, a.attstorage, a.attislocal, a.attinhcount, a.attcollation::regcollation, a.attoptions,
    (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(a.attacl) x),
    (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum))
FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
UNION ALL
SELECT concat_ws(' ', 'parent of', r.name, i.inhparent::regclass, i.inhseqno)
FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid
UNION ALL
SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident)
FROM relation r JOIN pg_index i ON i.indexrelid = r.oid
UNION ALL
SELECT 'view ' || name || ' ' || pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT concat_ws(' ', 'rule', pg_get_ruledef(w.oid), w.ev_enabled) FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class
UNION ALL
SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT concat_ws(' ', 'policy', r.name, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN relation r ON r.oid = p.polrelid
UNION ALL
SELECT concat_ws(' ', 'constraint', c.conrelid::regclass, c.contypid::regtype, c.conname, pg_get_constraintdef(c.oid),
    c.convalidated, c.conislocal, c.connoinherit)
FROM pg_constraint c JOIN namespace n ON n.oid = c.connamespace
UNION ALL
SELECT concat_ws(' ', 'sequence', r.name, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
    s.seqcycle,
    (SELECT string_agg(d.refobjid::regclass || '.' || d.refobjsubid, ' ') FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL
SELECT concat_ws(' ', 'function', p.oid::regprocedure,
    CASE WHEN p.prokind = 'a' THEN
        (SELECT concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype::regtype, a.agginitval)
         FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
    ELSE pg_get_functiondef(p.oid) END,
    (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(p.proacl) x))
FROM pg_proc p JOIN namespace n ON n.oid = p.pronamespace
UNION ALL
SELECT concat_ws(' ', 'type', t.oid::regtype, t.typtype, t.typnotnull, t.typdefault, t.typbasetype::regtype, t.typtypmod,
    t.typcollation::regcollation, (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(t.typacl) x),
    (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
    (SELECT concat_ws(' ', g.rngsubtype::regtype, g.rngcanonical, g.rngsubdiff) FROM pg_range g WHERE g.rngtypid = t.oid))
FROM pg_type t JOIN namespace n ON n.oid = t.typnamespace
UNION ALL
SELECT concat_ws(' ', 'operator', o.oid::regoperator, o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprrest,
    o.oprjoin, o.oprcanmerge, o.oprcanhash)
FROM pg_operator o JOIN namespace n ON n.oid = o.oprnamespace
UNION ALL
SELECT concat_ws(' ', 'operator class', o.opcname, o.opcintype::regtype, o.opcdefault, o.opckeytype::regtype)
FROM pg_opclass o JOIN namespace n ON n.oid = o.opcnamespace
UNION ALL
SELECT concat_ws(' ', 'operator of family', f.opfname, a.amopstrategy, a.amopopr::regoperator)
FROM pg_opfamily f JOIN namespace n ON n.oid = f.opfnamespace JOIN pg_amop a ON a.amopfamily = f.oid
UNION ALL
SELECT concat_ws(' ', 'function of family', f.opfname, a.amprocnum, a.amproc)
FROM pg_opfamily f JOIN namespace n ON n.oid = f.opfnamespace JOIN pg_amproc a ON a.amprocfamily = f.oid
UNION ALL
SELECT concat_ws(' ', 'collation', c.collname, c.collprovider, c.collisdeterministic, c.collcollate, c.collctype)
FROM pg_collation c JOIN namespace n ON n.oid = c.collnamespace
UNION ALL
SELECT concat_ws(' ', 'text search', c.oid::regconfig, m.maptokentype, m.mapseqno, m.mapdict::regdictionary)
FROM pg_ts_config c JOIN namespace n ON n.oid = c.cfgnamespace JOIN pg_ts_config_map m ON m.mapcfg = c.oid
UNION ALL
SELECT concat_ws(' ', 'dictionary', d.oid::regdictionary, d.dictinitoption)
FROM pg_ts_dict d JOIN namespace n ON n.oid = d.dictnamespace
UNION ALL
SELECT concat_ws(' ', 'statistics', pg_get_statisticsobjdef(s.oid), s.stxstattarget)
FROM pg_statistic_ext s JOIN namespace n ON n.oid = s.stxnamespace
UNION ALL
SELECT concat_ws(' ', 'defaults', pg_get_userbyid(d.defaclrole), d.defaclobjtype,
    (SELECT array_agg(x::text ORDER BY x::text) FROM unnest(d.defaclacl) x))
FROM pg_default_acl d JOIN namespace n ON n.oid = d.defaclnamespace
