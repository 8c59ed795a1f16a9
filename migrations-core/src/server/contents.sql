-- Everything in schema $1, a row for every property of every object: the object, the object that it is a part of, the
-- kind of property, its value, and the names that it is known by. Definitions qualify every name outside pg_catalog,
-- and are SQL as far as quotes go: any text in them that is not SQL is a string literal.
--
-- The query starts from the schema and follows its dependencies, so its cost does not depend on the number of other
-- schemas. Arrays make the planner expect few rows and use indexes.
--
-- Left out are members of extensions, the history table, and what PostgreSQL creates by itself and names after
-- something else: TOAST tables, row types, array types, the triggers of foreign keys.
WITH
namespace AS (SELECT oid FROM pg_namespace WHERE nspname = $1::text::name),
held AS MATERIALIZED (
    SELECT d.classid, d.objid
    FROM pg_depend d
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = (SELECT oid FROM namespace)
        -- The members of an extension are created and dropped with it.
        AND NOT EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'
        )
),
type AS MATERIALIZED (
    SELECT t.*, CASE t.typtype WHEN 'd' THEN 'domain ' ELSE 'type ' END || t.oid::regtype AS object
    FROM pg_type t
    WHERE t.oid = ANY (ARRAY(SELECT h.objid FROM held h WHERE h.classid = 'pg_type'::regclass))
        AND t.typtype IN ('b', 'c', 'd', 'e', 'r') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
),
relation AS MATERIALIZED (
    SELECT c.*, c.oid::regclass::text AS name,
        CASE c.relkind
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f'
                THEN 'foreign table'
            WHEN 'c' THEN 'type' ELSE 'table'
        END || ' ' || c.oid::regclass AS object
    FROM pg_class c
    WHERE c.oid = ANY (ARRAY(
            SELECT h.objid FROM held h WHERE h.classid = 'pg_class'::regclass
            UNION ALL SELECT t.typrelid FROM type t WHERE t.typtype = 'c'
        ))
        AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND c.relname <> $2::text::name
),
index AS (
    SELECT i.*, r.object AS of, r.relname AS table_name, c.relname AS name, 'index '
        || i.indexrelid::regclass AS object,
        c.reloptions,
        (SELECT k.conname FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid
             AND k.contype IN ('p', 'u', 'x') LIMIT 1) AS of_constraint
    FROM pg_index i JOIN relation r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY (ARRAY(SELECT oid FROM relation))
),
routine AS (
    SELECT p.*,
        CASE p.prokind WHEN 'a' THEN 'aggregate ' WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.oid::regprocedure
            AS object
    FROM pg_proc p
    WHERE p.oid = ANY (ARRAY(SELECT h.objid FROM held h WHERE h.classid = 'pg_proc'::regclass))
),
"constraint" AS (
    SELECT k.*, coalesce(r.object, t.object) AS of, coalesce(r.relname, t.typname) AS owner_name,
        'constraint ' || quote_ident(k.conname) || ' of ' || coalesce(r.object, t.object) AS object
    FROM (
        SELECT * FROM pg_constraint WHERE conrelid = ANY (ARRAY(SELECT oid FROM relation))
        UNION ALL SELECT * FROM pg_constraint WHERE contypid = ANY (ARRAY(SELECT oid FROM type WHERE typtype = 'd'))
    ) k
    LEFT JOIN relation r ON r.oid = k.conrelid
    LEFT JOIN type t ON t.oid = k.contypid
    -- A column says by itself whether it can be null; before PostgreSQL 18, there is no constraint for it.
    WHERE k.contype <> 'n'
),
trigger AS (
    SELECT t.*, r.object AS of, r.relname, 'trigger ' || quote_ident(t.tgname) || ' of ' || r.object AS object
    FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
    -- Before PostgreSQL 15, the triggers of partitions are internal ones, too.
    WHERE NOT t.tgisinternal OR t.tgconstraint = 0
),
policy AS (
    SELECT p.*, r.object AS of, r.relname, 'policy ' || quote_ident(p.polname) || ' of ' || r.object AS object
    FROM pg_policy p JOIN relation r ON r.oid = p.polrelid
),
rule AS (
    SELECT w.*, r.object AS of, r.relname, 'rule ' || quote_ident(w.rulename) || ' of ' || r.object AS object
    FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
),
-- What has a name of its own and is described in the same way: by what PostgreSQL identifies it with.
other AS (
    SELECT o.class, o.oid, o.name, i.type || ' ' || i.identity AS object
    FROM (
        SELECT 'pg_operator'::regclass AS class, o.oid, o.oprname AS name FROM pg_operator o, namespace n
            WHERE o.oprnamespace = n.oid
        UNION ALL SELECT 'pg_opclass'::regclass, o.oid, o.opcname FROM pg_opclass o, namespace n
            WHERE o.opcnamespace = n.oid
        UNION ALL SELECT 'pg_opfamily'::regclass, o.oid, o.opfname FROM pg_opfamily o, namespace n
            WHERE o.opfnamespace = n.oid
        UNION ALL SELECT 'pg_collation'::regclass, c.oid, c.collname FROM pg_collation c, namespace n
            WHERE c.collnamespace = n.oid
        UNION ALL SELECT 'pg_conversion'::regclass, c.oid, c.conname FROM pg_conversion c, namespace n
            WHERE c.connamespace = n.oid
        UNION ALL SELECT 'pg_ts_config'::regclass, c.oid, c.cfgname FROM pg_ts_config c, namespace n
            WHERE c.cfgnamespace = n.oid
        UNION ALL SELECT 'pg_ts_dict'::regclass, d.oid, d.dictname FROM pg_ts_dict d, namespace n
            WHERE d.dictnamespace = n.oid
        UNION ALL SELECT 'pg_ts_parser'::regclass, p.oid, p.prsname FROM pg_ts_parser p, namespace n
            WHERE p.prsnamespace = n.oid
        UNION ALL SELECT 'pg_ts_template'::regclass, t.oid, t.tmplname FROM pg_ts_template t, namespace n
            WHERE t.tmplnamespace = n.oid
        UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxname FROM pg_statistic_ext s, namespace n
            WHERE s.stxnamespace = n.oid
    ) o, pg_identify_object(o.class, o.oid, 0) i
    WHERE (o.class, o.oid) IN (SELECT h.classid, h.objid FROM held h)
),
-- A cast has no schema. It belongs to its types and its function.
"cast" AS (
    SELECT c.*, i.type || ' ' || i.identity AS object,
        ARRAY(SELECT y.typname FROM pg_type y WHERE y.oid IN (c.castsource, c.casttarget)) AS names
    FROM pg_cast c, pg_identify_object('pg_cast'::regclass, c.oid, 0) i
    WHERE (c.castsource IN (SELECT oid FROM type UNION ALL SELECT reltype FROM relation)
            OR c.casttarget IN (SELECT oid FROM type UNION ALL SELECT reltype FROM relation)
            OR c.castfunc IN (SELECT oid FROM routine))
        AND NOT EXISTS (
            SELECT FROM pg_depend e WHERE e.classid = 'pg_cast'::regclass AND e.objid = c.oid AND e.deptype = 'e'
        )
),
object AS (
    SELECT 'pg_class'::regclass AS class, oid, object, NULL AS of, ARRAY[relname] AS names FROM relation
    UNION ALL SELECT 'pg_class'::regclass, indexrelid, object, of, ARRAY[table_name, name] FROM index
    UNION ALL SELECT 'pg_type'::regclass, oid, object, NULL, ARRAY[typname] FROM type WHERE typtype <> 'c'
    UNION ALL SELECT 'pg_proc'::regclass, oid, object, NULL, ARRAY[proname] FROM routine
    UNION ALL SELECT 'pg_constraint'::regclass, oid, object, of, ARRAY[owner_name, conname] FROM "constraint"
    UNION ALL SELECT 'pg_trigger'::regclass, oid, object, of, ARRAY[relname, tgname] FROM trigger
    UNION ALL SELECT 'pg_policy'::regclass, oid, object, of, ARRAY[relname, polname] FROM policy
    UNION ALL SELECT 'pg_rewrite'::regclass, oid, object, of, ARRAY[relname, rulename] FROM rule
    UNION ALL SELECT class, oid, object, NULL, ARRAY[name] FROM other
    UNION ALL SELECT 'pg_cast'::regclass, oid, object, NULL, names FROM "cast"
),
property (object, of, kind, value, names) AS (
SELECT object, NULL, 'definition', concat_ws(' ', nullif(relpersistence, 'p'),
    CASE WHEN relispartition THEN 'partition ' || pg_get_expr(relpartbound, oid) END, 'partitioned by '
        || pg_get_partkeydef(oid),
    CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced row security' END,
    CASE WHEN relkind IN ('r', 'p', 'm') AND relreplident <> 'd' THEN 'replica identity ' || relreplident::text END,
    'of ' || nullif(reloftype, 0)::regtype,
    'using ' || (SELECT quote_ident(m.amname) FROM pg_am m WHERE m.oid = relam AND m.amname <> 'heap'),
    CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'not populated' END,
    'with ' || quote_literal(reloptions::text),
    'toast with ' || (SELECT quote_literal(t.reloptions::text) FROM pg_class t
        WHERE t.oid = relation.reltoastrelid),
    (SELECT concat_ws(' ', 'server ' || quote_ident(s.srvname),
         quote_literal((SELECT array_agg(o ORDER BY o)::text FROM unnest(f.ftoptions) o)))
     FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = relation.oid),
    CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END), ARRAY[relname]
FROM relation
UNION ALL
SELECT object, NULL, 'owner', concat_ws(' ', pg_get_userbyid(relowner),
    (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a)), ARRAY[relname]
FROM relation
UNION ALL
SELECT 'column ' || r.name || '.' || quote_ident(a.attname), r.object, p.kind, p.value, ARRAY[r.relname, a.attname]
FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped,
    LATERAL (VALUES
        ('definition', concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> (SELECT t.typcollation FROM pg_type t WHERE t.oid = a.atttypid)
                THEN 'collate ' || a.attcollation::regcollation END,
            CASE WHEN a.attnotnull THEN 'not null' END,
            CASE WHEN EXISTS (
                SELECT FROM pg_constraint k
                WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated
            ) THEN 'not valid' END,
            CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
            CASE a.attgenerated WHEN '' THEN 'default ' WHEN 's' THEN 'generated stored ' ELSE 'generated ' END ||
                (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                    WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
            CASE WHEN a.attinhcount > 0 THEN 'inherited' END,
            CASE WHEN a.attstorage <> (SELECT t.typstorage FROM pg_type t WHERE t.oid = a.atttypid)
                THEN 'storage ' || a.attstorage::text END,
            'compression ' || nullif(a.attcompression, '')::text)),
        ('order', a.attnum::text),
        ('owner', (SELECT array_agg(x::text ORDER BY x::text)::text FROM unnest(a.attacl) x)),
        -- Some servers (Debian's 15.20) keep a number of their own for every column among its options.
        ('parameters', concat_ws(' ', a.attislocal,
            (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\_attver=%'),
            quote_literal((SELECT array_agg(o ORDER BY o)::text FROM unnest(a.attfdwoptions) o))))
    ) AS p (kind, value)
WHERE r.relkind <> 'S'
UNION ALL
SELECT r.object || ' inherits ' || i.inhparent::regclass, r.object, 'definition', i.inhseqno::text, ARRAY[r.relname]
FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid
UNION ALL
SELECT object, CASE WHEN of_constraint IS NULL THEN of ELSE 'constraint ' || quote_ident(of_constraint) || ' of '
    || of END,
    'definition', concat_ws(' ', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'invalid' END,
        CASE WHEN indisclustered THEN 'clustered' END, CASE WHEN indisreplident THEN 'replica identity' END),
    ARRAY[table_name, name]
FROM index
UNION ALL
SELECT object, of, 'definition', concat_ws(' ', pg_get_ruledef(oid), nullif(ev_enabled, 'O')), ARRAY[relname,
    rulename] FROM rule
UNION ALL
SELECT object, of, 'definition', concat_ws(' ', pg_get_triggerdef(oid), nullif(tgenabled, 'O')), ARRAY[relname,
    tgname] FROM trigger
UNION ALL
SELECT object, of, 'definition', concat_ws(' ', polcmd, CASE WHEN NOT polpermissive THEN 'restrictive' END,
    'to ' || (SELECT array_agg(role ORDER BY role)::text
        FROM unnest(polroles) x, LATERAL (SELECT CASE x WHEN 0 THEN 'public' ELSE pg_get_userbyid(x) END) AS r (role)),
    'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid)), ARRAY[relname,
        polname]
FROM policy
UNION ALL
SELECT object, of, 'definition', concat_ws(' ', pg_get_constraintdef(oid),
    CASE WHEN NOT convalidated AND pg_get_constraintdef(oid) NOT LIKE '%NOT VALID%' THEN 'not valid' END,
    CASE WHEN NOT conislocal THEN 'inherited' END, CASE WHEN connoinherit AND contype = 'c' THEN 'not inherited' END,
    -- PostgreSQL checks a constraint with triggers of its own, which are enabled or not like any other.
    (SELECT 'triggers ' || string_agg(concat_ws(' ', t.tgfoid::regproc, t.tgrelid::regclass, t.tgenabled), ', '
         ORDER BY concat_ws(' ', t.tgfoid::regproc, t.tgrelid::regclass, t.tgenabled))
     FROM pg_trigger t WHERE t.tgconstraint = "constraint".oid AND t.tgisinternal AND t.tgenabled <> 'O')),
    ARRAY[owner_name, conname]
FROM "constraint"
UNION ALL
SELECT r.object, NULL, 'definition', concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
    s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END, 'of ' ||
    (SELECT string_agg(d.refobjid::regclass || '.' || quote_ident(a.attname), ' ')
     FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
         AND d.deptype IN ('a', 'i'))), ARRAY[r.relname]
FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL
SELECT p.object, NULL, 'definition',
    CASE WHEN p.prokind = 'a' THEN
        (SELECT concat_ws(' ', pg_get_function_arguments(p.oid), 'returns ' || pg_get_function_result(p.oid),
             p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, p.procost, quote_literal(p.proconfig::text),
             a.aggkind, a.aggnumdirectargs, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
             a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify,
             a.aggmfinalmodify, a.aggsortop::regoperator, a.aggtranstype::regtype, a.aggtransspace,
             a.aggmtranstype::regtype, a.aggmtransspace,
             'initial ' || quote_literal(a.agginitval), 'moving initial ' || quote_literal(a.aggminitval))
         FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
    ELSE pg_get_functiondef(p.oid) END, ARRAY[p.proname]
FROM routine p
UNION ALL
SELECT p.object, NULL, 'owner', (SELECT array_agg(x::text ORDER BY x::text)::text FROM unnest(p.proacl) x),
    ARRAY[p.proname]
FROM routine p
UNION ALL
SELECT t.object, NULL, 'definition', concat_ws(' ', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'r' THEN 'range' END,
    CASE WHEN t.typbasetype <> 0 THEN format_type(t.typbasetype, t.typtypmod) END,
    CASE WHEN t.typnotnull THEN 'not null' END,
    'default ' || coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)),
    CASE WHEN t.typtype = 'd' AND t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
        THEN 'collate ' || t.typcollation::regcollation END,
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid),
    (SELECT concat_ws(' ', g.rngsubtype::regtype, 'collate ' || nullif(g.rngcollation, 0)::regcollation,
            (SELECT i.identity FROM pg_identify_object('pg_opclass'::regclass, g.rngsubopc, 0) i), g.rngcanonical,
            g.rngsubdiff, g.rngmultitypid::regtype)
        FROM pg_range g WHERE g.rngtypid = t.oid),
    CASE WHEN t.typtype = 'b' THEN concat_ws(' ', t.typlen, t.typbyval, quote_literal(t.typcategory::text),
        t.typispreferred, quote_literal(t.typdelim::text), t.typsubscript, t.typelem::regtype, t.typinput, t.typoutput,
        t.typreceive, t.typsend,
        t.typmodin, t.typmodout, t.typanalyze, t.typalign, t.typstorage, t.typcollation::regcollation) END),
    ARRAY[t.typname]
FROM type t WHERE t.typtype <> 'c'
UNION ALL
SELECT t.object, NULL, 'owner', (SELECT array_agg(x::text ORDER BY x::text)::text FROM unnest(t.typacl) x),
    ARRAY[t.typname]
FROM type t
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator,
    o.oprrest,
    o.oprjoin, o.oprcanmerge, o.oprcanhash), ARRAY[x.name]
FROM other x JOIN pg_operator o ON x.class = 'pg_operator'::regclass AND o.oid = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', o.opcintype::regtype, o.opcdefault, o.opckeytype::regtype,
    (SELECT i.identity FROM pg_identify_object('pg_opfamily'::regclass, o.opcfamily, 0) i)),
    ARRAY[x.name]
FROM other x JOIN pg_opclass o ON x.class = 'pg_opclass'::regclass AND o.oid = x.oid
UNION ALL
SELECT x.object || ' operator ' || a.amopstrategy || ' ' || a.amopopr::regoperator, x.object, 'definition',
    concat_ws(' ', a.amoppurpose, a.amoplefttype::regtype, a.amoprighttype::regtype,
        (SELECT i.identity FROM pg_identify_object('pg_opfamily'::regclass, nullif(a.amopsortfamily, 0), 0) i)),
    ARRAY[x.name]
FROM other x JOIN pg_amop a ON x.class = 'pg_opfamily'::regclass AND a.amopfamily = x.oid
UNION ALL
SELECT x.object || ' function ' || a.amprocnum || ' ' || a.amproc, x.object, 'definition',
    concat_ws(' ', a.amproclefttype::regtype, a.amprocrighttype::regtype), ARRAY[x.name]
FROM other x JOIN pg_amproc a ON x.class = 'pg_opfamily'::regclass AND a.amprocfamily = x.oid
UNION ALL
-- The columns differ from version to version.
SELECT x.object, NULL, 'definition', quote_literal((to_jsonb(c)
    - ARRAY['oid', 'collname', 'collnamespace', 'collowner', 'collversion'])::text), ARRAY[x.name]
FROM other x JOIN pg_collation c ON x.class = 'pg_collation'::regclass AND c.oid = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', '', ARRAY[x.name] FROM other x WHERE x.class = 'pg_opfamily'::regclass
UNION ALL
SELECT x.object, NULL, 'definition',
    (SELECT i.identity FROM pg_identify_object('pg_ts_parser'::regclass, c.cfgparser, 0) i),
    ARRAY[x.name]
FROM other x JOIN pg_ts_config c ON x.class = 'pg_ts_config'::regclass AND c.oid = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype),
    ARRAY[x.name]
FROM other x JOIN pg_ts_parser p ON x.class = 'pg_ts_parser'::regclass AND p.oid = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', t.tmplinit, t.tmpllexize), ARRAY[x.name]
FROM other x JOIN pg_ts_template t ON x.class = 'pg_ts_template'::regclass AND t.oid = x.oid
UNION ALL
SELECT object, NULL, 'definition', concat_ws(' ', nullif(castfunc, 0)::regprocedure, castcontext, castmethod), names
FROM "cast"
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', c.conproc, c.condefault, pg_encoding_to_char(c.conforencoding),
    pg_encoding_to_char(c.contoencoding)), ARRAY[x.name]
FROM other x JOIN pg_conversion c ON x.class = 'pg_conversion'::regclass AND c.oid = x.oid
UNION ALL
SELECT x.object || ' mapping ' || m.maptokentype || ' ' || m.mapseqno, x.object, 'definition',
    m.mapdict::regdictionary::text,
    ARRAY[x.name]
FROM other x JOIN pg_ts_config_map m ON x.class = 'pg_ts_config'::regclass AND m.mapcfg = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ',
    (SELECT i.identity FROM pg_identify_object('pg_ts_template'::regclass, d.dicttemplate, 0) i), d.dictinitoption),
    ARRAY[x.name]
FROM other x JOIN pg_ts_dict d ON x.class = 'pg_ts_dict'::regclass AND d.oid = x.oid
UNION ALL
SELECT x.object, NULL, 'definition', concat_ws(' ', pg_get_statisticsobjdef(s.oid), s.stxstattarget), ARRAY[x.name]
FROM other x JOIN pg_statistic_ext s ON x.class = 'pg_statistic_ext'::regclass AND s.oid = x.oid
UNION ALL
SELECT 'default privileges on ' || d.defaclobjtype::text || ' of ' || pg_get_userbyid(d.defaclrole), NULL, 'owner',
    (SELECT array_agg(x::text ORDER BY x::text)::text FROM unnest(d.defaclacl) x), ARRAY[]::name[]
FROM pg_default_acl d JOIN namespace n ON n.oid = d.defaclnamespace
UNION ALL
SELECT o.object, o.of, 'comment', d.objsubid || ': ' || d.description, o.names
FROM object o JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.oid
)
SELECT object, of, kind, coalesce(value, ''), names::text[] FROM property ORDER BY object, kind, value
