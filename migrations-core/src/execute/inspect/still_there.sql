-- Those of some objects that exist in a schema other than these.
SELECT DISTINCT pg_describe_object(o.classid::oid, o.objid::oid, 0)
FROM unnest($1::int8[], $2::int8[]) AS o (classid, objid)
CROSS JOIN LATERAL pg_identify_object(o.classid::oid, o.objid::oid, 0) AS i
WHERE pg_describe_object(o.classid::oid, o.objid::oid, 0) IS NOT NULL AND i.schema <> ALL (ARRAY(SELECT quote_ident(name) FROM unnest($3::text[]) AS name))
ORDER BY 1
